;; Initialises itself in _start and leaves it by proc_exit with the code in the global; then wapc_init.
(module
  (import "wasmbus" "__console_log" (func $log (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "_start wapc_init call never")
  (func (export "_start")
    (call $log (i32.const 0) (i32.const 6))
    (call $exit (i32.const 0))
    (call $log (i32.const 22) (i32.const 5)))
  (func (export "wapc_init") (call $log (i32.const 7) (i32.const 9)))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $log (i32.const 17) (i32.const 4))
    (i32.const 1)))
