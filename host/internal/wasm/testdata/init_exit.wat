;; Fails to initialise.
(module
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (func (export "_start") (call $exit (i32.const 3)))
  (func (export "__guest_call") (param i32 i32) (result i32) (i32.const 1)))
