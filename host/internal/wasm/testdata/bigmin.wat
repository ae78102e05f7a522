;; Begins with 125 MiB of memory.
(module
  (memory (export "memory") 2000)
  (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))
