;; What features.wat imports.
(module
  (global (export "base") i32 (i32.const 11))
  (global (export "mutable") (mut i64) (i64.const 13))
  (func (export "twice") (param i32) (result i32) (i32.add (local.get 0) (local.get 0))))
