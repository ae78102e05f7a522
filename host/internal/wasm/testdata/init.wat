;; Logs the order in which it is initialised: the start function, _initialize and wapc_init; never _start.
(module
  (import "wasmbus" "__console_log" (func $log (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "start _initialize wapc_init _start call")
  (func $s (call $log (i32.const 0) (i32.const 5)))
  (start $s)
  (func (export "wapc_init") (call $log (i32.const 18) (i32.const 9)))
  (func (export "_initialize") (call $log (i32.const 6) (i32.const 11)))
  (func (export "_start") (call $log (i32.const 28) (i32.const 6)))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $log (i32.const 35) (i32.const 4))
    (i32.const 1)))
