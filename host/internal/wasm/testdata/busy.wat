;; Kinds of work to be stopped. The operation's first byte says which; the payload is three words: how many pages the memory
;; grows by before, how often the work is done (0: until it is stopped), and how many bytes or elements at a time.
(module
  (import "wasmbus" "__guest_request" (func $request (param i32 i32)))
  (type $unary (func (param i32) (result i32)))
  (memory (export "memory") 2 65536)
  (table $t 16 1048576 funcref)
  (elem (i32.const 0) $inc $double)
  (elem $e func $inc $double $inc $double)
  (func $inc (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $double (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2)) (then (local.get 0)) (else
      (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func $table (param $size i32)
    (if (i32.gt_u (local.get $size) (table.size $t)) (then
      (drop (table.grow $t (ref.func $inc) (i32.sub (local.get $size) (table.size $t)))))))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (local $what i32) (local $times i32) (local $size i32) (local $all i32) (local $x i32)
    (call $request (i32.const 1024) (i32.const 2048))
    (local.set $what (i32.load8_u (i32.const 1024)))
    (local.set $times (i32.load (i32.const 2052)))
    (local.set $size (i32.load (i32.const 2056)))
    (drop (memory.grow (i32.load (i32.const 2048))))
    (local.set $all (i32.sub (i32.shl (memory.size) (i32.const 16)) (i32.const 65536))) ;; bytes from 65536 on
    (if (i32.eq (local.get $what) (i32.const 0x4c)) (then                                              ;; L: loop
      (loop $l (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x52)) (then                                              ;; R: recursion
      (loop $l (drop (call $fib (i32.const 40)))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x49)) (then                                              ;; I: calls through a table
      (loop $l (local.set $x (call_indirect $t (type $unary) (local.get $x) (i32.and (local.get $x) (i32.const 1))))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x57)) (then                                              ;; W: loads all over the memory
      (loop $l (local.set $x (i32.add (i32.mul (local.get $x) (i32.const 1664525)) (i32.add (i32.const 1013904223)
          (i32.load (i32.add (i32.const 65536) (i32.rem_u (i32.shr_u (local.get $x) (i32.const 2)) (i32.sub (local.get $all) (i32.const 4))))))))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x46)) (then                                              ;; F: memory.fill
      (loop $l (memory.fill (i32.const 65536) (i32.const 7) (local.get $all))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x43)) (then                                              ;; C: memory.copy, overlapping
      (loop $l (memory.copy (i32.const 65600) (i32.const 65536) (i32.sub (local.get $all) (i32.const 64)))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x4d)) (then                                              ;; M: memory.init
      (loop $l (memory.init $d (i32.const 65536) (i32.const 0) (local.get $size))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x50)) (then                                              ;; P: memory.grow by nothing
      (loop $l (drop (memory.grow (i32.const 0)))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x66)) (then (call $table (local.get $size))              ;; f: table.fill
      (loop $l (table.fill $t (i32.const 0) (ref.func $inc) (local.get $size))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x63)) (then (call $table (local.get $size))              ;; c: table.copy
      (loop $l (table.copy $t $t (i32.const 1) (i32.const 0) (i32.sub (local.get $size) (i32.const 1)))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x69)) (then                                              ;; i: table.init
      (loop $l (table.init $t $e (i32.const 0) (i32.const 0) (i32.const 4))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (if (i32.eq (local.get $what) (i32.const 0x67)) (then                                              ;; g: table.grow
      (loop $l (drop (table.grow $t (ref.null func) (local.get $size)))
        (br_if $l (local.tee $times (i32.sub (local.get $times) (i32.const 1)))))))
    (i32.const 1))
  (data $d "a passive segment"))
