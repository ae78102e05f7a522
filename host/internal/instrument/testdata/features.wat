;; A bit of every feature; each export of type i32 -> i64 computes something to compare.
(module
  (import "env" "base" (global $base i32))
  (import "env" "mutable" (global $mutable (mut i64)))
  (import "env" "twice" (func $twice (param i32) (result i32)))
  (type $pair (func (param i32 i32) (result i32 i32)))
  (type $unary (func (param i32) (result i32)))
  (memory 2 10)
  (table $t 8 funcref)
  (table $refs 2 externref)
  (global $own (mut i32) (i32.const 5))
  (global $derived i32 (global.get $base))
  (elem (table $t) (i32.const 0) func $inc $double)
  (elem $passive func $inc $double $count)
  (elem declare func $count)
  (data (i32.const 0) "0123456789abcdef0123456789abcdef")
  (data $bytes "passive data")
  (func $s (global.set $own (i32.add (global.get $own) (i32.const 1))))
  (start $s)

  (func $inc (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
  (func $double (param i32) (result i32) (i32.shl (local.get 0) (i32.const 1)))
  (func $count (param i32) (result i32) (local i32)
    (loop $l
      (local.set 1 (i32.add (local.get 1) (local.get 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
    (local.get 1))
  (func $swap (type $pair) (local.get 1) (local.get 0))

  (func (export "loops") (param $n i32) (result i64)
    (local $i i32) (local $j i32) (local $sum i64)
    (local.set $n (i32.and (local.get $n) (i32.const 0x1ff)))
    (loop $outer
      (local.set $j (i32.const 0))
      (loop $inner
        (local.set $sum (i64.add (i64.mul (local.get $sum) (i64.const 31)) (i64.extend_i32_u (local.get $j))))
        (local.set $j (i32.add (local.get $j) (i32.const 1)))
        (br_if $inner (i32.lt_u (local.get $j) (local.get $n))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $outer (i32.lt_u (local.get $i) (local.get $n))))
    (local.get $sum))

  ;; a loop with parameters and results
  (func (export "multi") (param $n i32) (result i64)
    (local.set $n (i32.and (local.get $n) (i32.const 0xffff)))
    (i32.const 3) (i32.const 4)
    (loop $l (type $pair)
      (call $swap)
      (i32.add (i32.const 7)) 
      (local.set $n (i32.sub (local.get $n) (i32.const 1)))
      (br_if $l (i32.gt_s (local.get $n) (i32.const 0))))
    (i32.xor) (i64.extend_i32_s))

  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "recursion") (param i32) (result i64)
    (i64.extend_i32_u (call $fib (i32.and (local.get 0) (i32.const 15)))))

  (func (export "switch") (param i32) (result i64)
    (block $c (block $b (block $a
      (br_table $a $b $c (i32.and (local.get 0) (i32.const 3))))
      (return (i64.const 1)))
      (return (i64.const 2)))
    (i64.const 3))

  (func (export "bulk") (param $n i32) (result i64)
    (memory.fill (i32.const 64) (local.get $n) (i32.const 60000))
    (memory.copy (i32.const 70) (i32.const 0) (i32.const 32))
    (memory.init $bytes (i32.const 66) (i32.const 2) (i32.const 5))
    (drop (memory.grow (i32.const 1)))
    (i64.add (i64.load (i32.const 66)) (i64.extend_i32_u (memory.size))))

  (func (export "tables") (param $n i32) (result i64)
    (table.init $t $passive (i32.const 2) (i32.const 0) (i32.const 3))
    (table.copy $t $t (i32.const 5) (i32.const 2) (i32.const 3))
    (drop (table.grow $t (ref.func $count) (i32.const 2)))
    (table.fill $refs (i32.const 0) (ref.null extern) (i32.const 2))
    (table.set $t (i32.const 1) (ref.func $count))
    (i64.add
      (i64.extend_i32_u (call_indirect $t (type $unary) (i32.and (local.get $n) (i32.const 0xff)) (i32.rem_u (local.get $n) (i32.const 3))))
      (i64.extend_i32_u (i32.add (table.size $t) (ref.is_null (table.get $refs (i32.const 0)))))))

  (func (export "vectors") (param $n i32) (result i64)
    (local $v v128) (local $i i32)
    (loop $l
      (local.set $v (i32x4.add (local.get $v) (i32x4.mul (i32x4.splat (local.get $n)) (v128.const i32x4 1 2 3 4))))
      (local.set $v (i8x16.shuffle 1 0 3 2 5 4 7 6 9 8 11 10 13 12 15 16 (local.get $v) (v128.load (i32.const 0))))
      (local.set $v (v128.load8_lane 3 (i32.const 4) (local.get $v)))
      (local.set $v (i64x2.extmul_low_i32x4_u (local.get $v) (f64x2.convert_low_i32x4_s (local.get $v))))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $l (i32.lt_u (local.get $i) (i32.const 9000))))
    (i64x2.extract_lane 0 (i16x8.abs (local.get $v))))

  (func (export "numbers") (param $n i32) (result i64)
    (i64.add
      (i64.trunc_sat_f64_s (f64.mul (f64.convert_i32_s (local.get $n)) (f64.const 1e300)))
      (i64.add
        (i64.extend16_s (i64.extend_i32_s (local.get $n)))
        (i64.extend_i32_s (select (result i32) (i32.extend8_s (local.get $n)) (i32.trunc_f32_s (f32.const 3.5)) (local.get $n))))))

  (func (export "globals") (param $n i32) (result i64)
    (global.set $mutable (i64.add (global.get $mutable) (i64.extend_i32_u (call $twice (local.get $n)))))
    (global.set $own (i32.add (global.get $own) (global.get $derived)))
    (i64.add (global.get $mutable) (i64.extend_i32_u (global.get $own))))

  ;; code that nobody reaches, with loops and bulk instructions in it
  (func (export "dead") (param $n i32) (result i64)
    (block (br 0) (loop unreachable memory.fill (br 0)))
    (block (result i64) (br 0 (i64.const 9)) (loop (result i64) unreachable call $count br_table 1 1))))
