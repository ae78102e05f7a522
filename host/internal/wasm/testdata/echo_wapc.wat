;; Answers every call with its payload; imports from "wapc".
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_response" (func $response (param i32 i32)))
  (memory (export "memory") 2)
  (func (export "__guest_call") (param $op i32) (param $len i32) (result i32)
    (local $short i32)
    (local.set $short
      (i32.sub
        (i32.shr_u (i32.add (local.get $len) (i32.const 131071)) (i32.const 16))
        (memory.size)))
    (if (i32.gt_s (local.get $short) (i32.const 0))
      (then (if (i32.eq (memory.grow (local.get $short)) (i32.const -1)) (then (unreachable)))))
    (call $request (i32.const 1024) (i32.const 65536))
    (call $response (i32.const 65536) (local.get $len))
    (i32.const 1)))
