;; For the benchmark: turns of a loop without and with work in it, and calls.
(module
  (memory 1)
  (func (export "empty") (param $i i32)
    (loop $l (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
  (func (export "sum") (param $i i32) (local $a i64) (local $b i64) (local $d i64) (local $p i32)
    (loop $l
      (local.set $a (i64.add (local.get $a) (i64.load (local.get $p))))
      (local.set $b (i64.xor (local.get $b) (i64.load offset=8 (local.get $p))))
      (local.set $d (i64.add (i64.mul (local.get $d) (i64.const 31)) (i64.load offset=16 (local.get $p))))
      (local.set $p (i32.and (i32.add (local.get $p) (i32.const 24)) (i32.const 0x7fff)))
      (br_if $l (local.tee $i (i32.sub (local.get $i) (i32.const 1)))))
    (i64.store (i32.const 0) (i64.add (local.get $a) (i64.add (local.get $b) (local.get $d)))))
  (func $leaf (param i32) (result i32) (i32.sub (local.get 0) (i32.const 1)))
  (func $caller (param i32) (result i32) (call $leaf (local.get 0)))
  (func (export "call") (param $i i32)
    (loop $l (br_if $l (local.tee $i (call $caller (local.get $i)))))))
