;; A component with two memories, which grow in turn. wasm-tools parse growth.wat -o growth.wasm makes the binary.
(component
  (core module $A
    (memory (export "memory") 1)
    (func (export "grow") (result i32) (memory.grow (i32.const 1))))
  (core module $B
    (import "a" "grow" (func $other (result i32)))
    (memory (export "memory") 1)
    (func (export "grow")
      (loop
        (br_if 0 (i32.ne (call $other) (i32.const -1)))
        (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
      unreachable))
  (core instance $a (instantiate $A))
  (core instance $b (instantiate $B (with "a" (instance $a))))
  (func (export "grow") (canon lift (core func $b "grow"))))
