;; Work for a processor, for the benchmark: each export takes how often to do it and returns something that depends on it.
(module
  (type $less (func (param i32 i32) (result i32)))
  (memory 16)
  (table 2 funcref)
  (elem (i32.const 0) func $below $above)
  (func $below (type $less) (i32.lt_s (local.get 0) (local.get 1)))
  (func $above (type $less) (i32.gt_s (local.get 0) (local.get 1)))

  (func $fib (param i32) (result i32)
    (if (result i32) (i32.lt_u (local.get 0) (i32.const 2))
      (then (local.get 0))
      (else (i32.add (call $fib (i32.sub (local.get 0) (i32.const 1))) (call $fib (i32.sub (local.get 0) (i32.const 2)))))))
  (func (export "fib") (param $n i32) (result i64) (local $sum i64)
    (loop $l
      (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $fib (i32.const 23)))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  (func (export "sieve") (param $n i32) (result i64) (local $i i32) (local $j i32) (local $count i64)
    (loop $l
      (memory.fill (i32.const 0) (i32.const 0) (i32.const 200000))
      (local.set $i (i32.const 2))
      (loop $next
        (if (i32.eqz (i32.load8_u (local.get $i)))
          (then
            (local.set $count (i64.add (local.get $count) (i64.const 1)))
            (local.set $j (i32.shl (local.get $i) (i32.const 1)))
            (block $done
              (loop $mark
                (br_if $done (i32.ge_u (local.get $j) (i32.const 200000)))
                (i32.store8 (local.get $j) (i32.const 1))
                (local.set $j (i32.add (local.get $j) (local.get $i)))
                (br $mark)))))
        (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 200000))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $count))

  (func (export "matrix") (param $n i32) (result i64)
    (local $i i32) (local $j i32) (local $k i32) (local $s f64) (local $pa i32) (local $pb i32)
    (loop $init
      (f64.store (i32.shl (local.get $i) (i32.const 3)) (f64.convert_i32_u (i32.and (local.get $i) (i32.const 255))))
      (br_if $init (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 8192))))
    (loop $l
      (local.set $i (i32.const 0))
      (loop $row
        (local.set $j (i32.const 0))
        (loop $column
          (local.set $s (f64.const 0))
          (local.set $k (i32.const 64))
          (local.set $pa (i32.shl (local.get $i) (i32.const 9)))
          (local.set $pb (i32.shl (local.get $j) (i32.const 3)))
          (loop $dot
            (local.set $s (f64.add (local.get $s)
              (f64.mul (f64.load (local.get $pa)) (f64.load offset=32768 (local.get $pb)))))
            (local.set $pa (i32.add (local.get $pa) (i32.const 8)))
            (local.set $pb (i32.add (local.get $pb) (i32.const 512)))
            (br_if $dot (local.tee $k (i32.sub (local.get $k) (i32.const 1)))))
          (f64.store offset=65536 (i32.add (i32.shl (local.get $i) (i32.const 9)) (i32.shl (local.get $j) (i32.const 3))) (local.get $s))
          (br_if $column (i32.lt_u (local.tee $j (i32.add (local.get $j) (i32.const 1))) (i32.const 64))))
        (br_if $row (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 64))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.trunc_sat_f64_s (f64.load offset=65536 (i32.const 4000))))

  (func (export "mandelbrot") (param $n i32) (result i64)
    (local $x i32) (local $y i32) (local $i i32) (local $count i64)
    (local $cr f64) (local $ci f64) (local $zr f64) (local $zi f64) (local $r2 f64) (local $i2 f64)
    (loop $l
      (local.set $y (i32.const 0))
      (loop $row
        (local.set $x (i32.const 0))
        (loop $column
          (local.set $cr (f64.sub (f64.div (f64.convert_i32_u (local.get $x)) (f64.const 32)) (f64.const 1.5)))
          (local.set $ci (f64.sub (f64.div (f64.convert_i32_u (local.get $y)) (f64.const 24)) (f64.const 1)))
          (local.set $zr (f64.const 0)) (local.set $zi (f64.const 0))
          (local.set $r2 (f64.const 0)) (local.set $i2 (f64.const 0))
          (local.set $i (i32.const 100))
          (block $out
            (loop $iterate
              (br_if $out (f64.ge (f64.add (local.get $r2) (local.get $i2)) (f64.const 4)))
              (local.set $zi (f64.add (f64.mul (f64.add (local.get $zr) (local.get $zr)) (local.get $zi)) (local.get $ci)))
              (local.set $zr (f64.add (f64.sub (local.get $r2) (local.get $i2)) (local.get $cr)))
              (local.set $r2 (f64.mul (local.get $zr) (local.get $zr)))
              (local.set $i2 (f64.mul (local.get $zi) (local.get $zi)))
              (local.set $count (i64.add (local.get $count) (i64.const 1)))
              (br_if $iterate (local.tee $i (i32.sub (local.get $i) (i32.const 1))))))
          (br_if $column (i32.lt_u (local.tee $x (i32.add (local.get $x) (i32.const 1))) (i32.const 64))))
        (br_if $row (i32.lt_u (local.tee $y (i32.add (local.get $y) (i32.const 1))) (i32.const 48))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $count))

  ;; quicksort with a comparator from the table
  (func $sort (param $low i32) (param $high i32) (param $less i32) (local $i i32) (local $j i32) (local $pivot i32) (local $t i32)
    (if (i32.ge_s (local.get $low) (local.get $high)) (then return))
    (local.set $pivot (i32.load (i32.and (i32.shr_u (i32.add (local.get $low) (local.get $high)) (i32.const 1)) (i32.const -4))))
    (local.set $i (local.get $low))
    (local.set $j (local.get $high))
    (loop $part
      (block $left
        (loop $l
          (br_if $left (i32.eqz (call_indirect (type $less) (i32.load (local.get $i)) (local.get $pivot) (local.get $less))))
          (local.set $i (i32.add (local.get $i) (i32.const 4)))
          (br $l)))
      (block $right
        (loop $l
          (br_if $right (i32.eqz (call_indirect (type $less) (local.get $pivot) (i32.load (local.get $j)) (local.get $less))))
          (local.set $j (i32.sub (local.get $j) (i32.const 4)))
          (br $l)))
      (if (i32.le_s (local.get $i) (local.get $j))
        (then
          (local.set $t (i32.load (local.get $i)))
          (i32.store (local.get $i) (i32.load (local.get $j)))
          (i32.store (local.get $j) (local.get $t))
          (local.set $i (i32.add (local.get $i) (i32.const 4)))
          (local.set $j (i32.sub (local.get $j) (i32.const 4)))))
      (br_if $part (i32.le_s (local.get $i) (local.get $j))))
    (call $sort (local.get $low) (local.get $j) (local.get $less))
    (call $sort (local.get $i) (local.get $high) (local.get $less)))
  (func (export "sort") (param $n i32) (result i64) (local $i i32) (local $x i32)
    (loop $l
      (local.set $x (i32.const 2463534242))
      (local.set $i (i32.const 0))
      (loop $fill
        (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 13))))
        (local.set $x (i32.xor (local.get $x) (i32.shr_u (local.get $x) (i32.const 17))))
        (local.set $x (i32.xor (local.get $x) (i32.shl (local.get $x) (i32.const 5))))
        (i32.store (local.get $i) (local.get $x))
        (br_if $fill (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 4))) (i32.const 40000))))
      (call $sort (i32.const 0) (i32.const 39996) (i32.and (local.get $n) (i32.const 1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.load (i32.const 20000)))

  ;; strings of some bytes each: their lengths, and a hash of them
  (func $length (param $p i32) (result i32) (local $q i32)
    (local.set $q (local.get $p))
    (block $end
      (loop $l
        (br_if $end (i32.eqz (i32.load8_u (local.get $q))))
        (local.set $q (i32.add (local.get $q) (i32.const 1)))
        (br $l)))
    (i32.sub (local.get $q) (local.get $p)))
  (func $hash (param $p i32) (param $n i32) (result i32) (local $h i32)
    (local.set $h (i32.const 0x811c9dc5))
    (block $end
      (loop $l
        (br_if $end (i32.eqz (local.get $n)))
        (local.set $h (i32.mul (i32.xor (local.get $h) (i32.load8_u (local.get $p))) (i32.const 0x01000193)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (local.set $n (i32.sub (local.get $n) (i32.const 1)))
        (br $l)))
    (local.get $h))
  (func (export "strings") (param $n i32) (result i64) (local $p i32) (local $k i32) (local $sum i64)
    (loop $fill
      (i32.store8 (local.get $p) (i32.rem_u (i32.mul (local.get $p) (i32.const 7)) (i32.const 13)))
      (br_if $fill (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 65000))))
    (loop $l
      (local.set $p (i32.const 0))
      (loop $next
        (local.set $k (call $length (local.get $p)))
        (local.set $sum (i64.add (local.get $sum) (i64.extend_i32_u (call $hash (local.get $p) (local.get $k)))))
        (br_if $next (i32.lt_u (local.tee $p (i32.add (i32.add (local.get $p) (local.get $k)) (i32.const 1))) (i32.const 64000))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (local.get $sum))

  ;; tokens of a text by a table of states, as parsers do
  (func (export "tokens") (param $n i32) (result i64) (local $p i32) (local $c i32) (local $count i64) (local $number i64)
    (loop $fill
      (i32.store8 (local.get $p) (i32.add (i32.const 32) (i32.rem_u (i32.mul (local.get $p) (i32.const 31)) (i32.const 95))))
      (br_if $fill (i32.lt_u (local.tee $p (i32.add (local.get $p) (i32.const 1))) (i32.const 65536))))
    (loop $l
      (local.set $p (i32.const 0))
      (loop $next
        (local.set $c (i32.load8_u (local.get $p)))
        (local.set $p (i32.add (local.get $p) (i32.const 1)))
        (block $advance
          (block $other
            (block $digit
              (block $quote
                (block $space
                  (br_table $space $other $quote $other (i32.sub (local.get $c) (i32.const 32))))
                (br_if $digit (i32.lt_u (i32.sub (local.get $c) (i32.const 48)) (i32.const 10)))
                (br $advance))
              (local.set $count (i64.add (local.get $count) (i64.const 3)))
              (br $advance))
            (local.set $number (i64.add (i64.mul (local.get $number) (i64.const 10)) (i64.extend_i32_u (local.get $c))))
            (br $advance))
          (if (i32.lt_u (i32.sub (local.get $c) (i32.const 48)) (i32.const 10))
            (then (local.set $number (i64.add (i64.mul (local.get $number) (i64.const 10)) (i64.extend_i32_u (local.get $c)))))
            (else
              (if (i32.eq (local.get $c) (i32.const 92))
                (then (local.set $p (i32.add (local.get $p) (i32.const 1))))
                (else (local.set $count (i64.add (local.get $count) (i64.const 1))))))))
        (br_if $next (i32.lt_u (local.get $p) (i32.const 65536))))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1)))))
    (i64.add (local.get $count) (local.get $number))))
