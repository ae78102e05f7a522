;; Counts changes of which it is told. make components builds ../watcher.wasm.
(module
  (memory (export "memory") 1)
  (global $changes (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 1024))
  (func $change (global.set $changes (i32.add (global.get $changes) (i32.const 1))))
  (func (export "wasi:keyvalue/watcher@0.2.0-draft2#on-set") (param i32 i32 i32 i32 i32) (call $change))
  (func (export "wasi:keyvalue/watcher@0.2.0-draft2#on-delete") (param i32 i32 i32) (call $change))
  (func (export "weft:watcher/counted#changes") (result i32) (global.get $changes)))
