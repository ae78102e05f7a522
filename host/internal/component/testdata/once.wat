;; An instance serves one call alone. wasm-tools parse once.wat -o once.wasm makes the binary.
(component
  (core module $m
    (global $served (mut i32) (i32.const 0))
    (func (export "once") (param i32) (result i32)
      (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))
      (if (global.get $served) (then unreachable))
      (global.set $served (i32.const 1))
      (local.get 0))
    (func (export "many") (param i32) (result i32)
      (if (i32.eq (local.get 0) (i32.const 13)) (then unreachable))
      (global.set $served (i32.add (global.get $served) (i32.const 1)))
      (global.get $served)))
  (core instance $i (instantiate $m))
  (func (export "once") (param "n" u32) (result u32) (canon lift (core func $i "once")))
  (func (export "many") (param "n" u32) (result u32) (canon lift (core func $i "many"))))
