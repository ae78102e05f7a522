;; Guests that would like to go on. Each export does something until $stop, by which the host raises the flag, and goes on as
;; long as it is let. What is done after that is counted in "work".
(module
  (import "env" "stop" (func $stop))
  (type $leaf (func (param i32) (result i32)))
  (memory 1)
  (global $work (export "work") (mut i32) (i32.const 0))
  (table 2 funcref)
  (elem (i32.const 0) func $tiny $recurse)

  (func $tiny (type $leaf) (i32.add (local.get 0) (i32.const 1)))
  ;; four by four by … tiny ones
  (func $tiny4 (type $leaf) (call $tiny (call $tiny (call $tiny (call $tiny (local.get 0))))))
  (func $tiny16 (type $leaf) (call $tiny4 (call $tiny4 (call $tiny4 (call $tiny4 (local.get 0))))))
  (func $tiny64 (type $leaf) (call $tiny16 (call $tiny16 (call $tiny16 (call $tiny16 (local.get 0))))))
  (func $tiny256 (type $leaf) (call $tiny64 (call $tiny64 (call $tiny64 (call $tiny64 (local.get 0))))))

  ;; some 100 units of work after a call
  (func $slog (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (drop (i32.load (i32.load (i32.load (i32.load (i32.const 0)))))) (drop (i32.load (i32.load (i32.load (i32.load (i32.const 0))))))
    (drop (i32.load (i32.load (i32.load (i32.load (i32.const 0)))))) (drop (i32.load (i32.load (i32.load (i32.load (i32.const 0)))))))

  ;; the flag goes up at the bottom of a recursion; the work is on the way back
  (func $back (param i32)
    (if (i32.eqz (local.get 0)) (then (call $stop) (return)))
    (call $back (i32.sub (local.get 0) (i32.const 1)))
    (call $slog))
  (func (export "back") (param i32) (call $back (local.get 0)))

  ;; the same with two results and parameters that change
  (func $pair (param i32 i64) (result i64 i32)
    (if (i32.eqz (local.get 0)) (then (call $stop) (return (i64.const 1) (i32.const 2))))
    (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
    (call $pair (local.get 0) (local.get 1))
    (call $slog))
  (func (export "pair") (param i32) (drop (drop (call $pair (local.get 0) (i64.const 7)))))

  ;; the same, where other code would spend each budget to its end, and enter with a new one
  (func $spin (local $n i32)
    (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 20000)))))
  (func $steal (param i32)
    (if (i32.eqz (local.get 0)) (then (call $stop) (return)))
    (call $spin)
    (call $steal (i32.sub (local.get 0) (i32.const 1)))
    (call $slog))
  (func (export "steal") (param i32) (call $steal (i32.shr_u (local.get 0) (i32.const 3))))

  ;; by turns, and one of them through the table
  (func $even (param i32)
    (if (i32.eqz (local.get 0)) (then (call $stop) (return)))
    (call $odd (i32.sub (local.get 0) (i32.const 1)))
    (call $slog))
  (func $odd (param i32)
    (drop (call_indirect (type $leaf) (i32.sub (local.get 0) (i32.const 1)) (i32.const 1)))
    (call $slog))
  (func $recurse (type $leaf) (call $even (local.get 0)) (i32.const 0))
  (func (export "mutual") (param i32) (call $even (i32.and (local.get 0) (i32.const -2))))

  ;; one that counts in a local, since it has a loop without calls
  (func $counts (param i32) (local $n i32)
    (if (i32.eqz (local.get 0)) (then (call $stop) (return)))
    (if (i32.eq (local.get 0) (i32.const -1))
      (then (loop $l (br_if $l (i32.lt_u (local.tee $n (i32.add (local.get $n) (i32.const 1))) (i32.const 9))))))
    (call $counts (i32.sub (local.get 0) (i32.const 1)))
    (call $slog))
  (func (export "counts") (param i32) (call $counts (local.get 0)))

  ;; one that pays in its loop only, and does much after it
  (func $late (param i32)
    (if (i32.eqz (local.get 0)) (then (call $stop) (return)))
    (loop $l
      (call $late (i32.sub (local.get 0) (i32.const 1)))
      (br_if $l (i32.eqz (local.get 0))))
    (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (drop (i32.load (i32.load (i32.load (i32.load (i32.const 0)))))) (drop (i32.load (i32.load (i32.load (i32.load (i32.const 0)))))))
  (func (export "late") (param i32) (call $late (local.get 0)))

  ;; the same, returning out of the loop
  (func $lateReturn (param i32)
    (if (i32.eqz (local.get 0)) (then (call $stop) (return)))
    (loop $l
      (call $lateReturn (i32.sub (local.get 0) (i32.const 1)))
      (call $slog)
      (br_if $l (i32.eqz (local.get 0)))
      (return)))
  (func (export "lateReturn") (param i32) (call $lateReturn (local.get 0)))

  ;; as Go has it: a loop first, which is left by a return after a call
  (func $loopFirst (param i32) (local $n i32)
    (local.set $n (i32.const 3))
    (loop $l
      (if (i32.eqz (local.get 0)) (then (call $stop) (return)))
      (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
      (br_if $l (local.tee $n (i32.sub (local.get $n) (i32.const 1))))
      (call $loopFirst (local.get 0))
      (call $slog)
      (return)))
  (func (export "loopFirst") (param i32) (call $loopFirst (local.get 0)))

  ;; a loop first, but after something that must not be done twice: work is 1 too much for each time that it is
  (func $onceFirst (param i32)
    (local.set 0 (i32.sub (local.get 0) (i32.const 1)))
    (global.set $work (i32.add (global.get $work) (i32.const 1)))
    (loop $l
      (if (i32.eqz (local.get 0)) (then (call $stop) (global.set $work (i32.const 0)) (return)))
      (call $onceFirst (local.get 0))
      (call $slog)
      (br_if $l (i32.eqz (local.get 0)))
      (return)))
  (func (export "onceFirst") (param i32) (call $onceFirst (local.get 0)))

  ;; loops of calls of what does not check
  (func (export "leaves") (param i32) (local $x i32)
    (call $stop)
    (loop $l
      (global.set $work (i32.add (global.get $work) (i32.const 1)))
      (local.set $x (call $tiny256 (local.get $x)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))
  (func (export "indirectLeaves") (param i32) (local $x i32)
    (call $stop)
    (loop $l
      (global.set $work (i32.add (global.get $work) (i32.const 1)))
      (local.set $x (call_indirect (type $leaf) (local.get $x) (i32.const 0)))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1))))))

  ;; calls of a function that pays in its loop only, which is never reached
  (func $quick (param i32)
    (if (local.get 0) (then (loop $l (call $slog) (call $quick (local.get 0)) (br $l)))))
  (func (export "quick") (param i32)
    (call $stop)
    (loop $l
      (global.set $work (i32.add (global.get $work) (i32.const 1)))
      (call $quick (i32.const 0))
      (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))))
