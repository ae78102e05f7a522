;; Misbehaves as the first byte of the operation says; the second byte is a parameter.
(module
  (import "wasmbus" "__guest_request" (func $request (param i32 i32)))
  (import "wasmbus" "__guest_response" (func $response (param i32 i32)))
  (import "wasmbus" "__guest_error" (func $error (param i32 i32)))
  (import "wasmbus" "__host_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasmbus" "__host_response_len" (func $response_len (result i32)))
  (import "wasmbus" "__host_response" (func $host_response (param i32)))
  (import "wasmbus" "__host_error_len" (func $error_len (result i32)))
  (import "wasmbus" "__host_error" (func $host_error (param i32)))
  (import "wasmbus" "__console_log" (func $log (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 4 65536)
  (data (i32.const 0) "boom")
  (data (i32.const 16) "link")
  (data (i32.const 32) "ns:contract")
  (data (i32.const 48) "Svc.Op")
  (data (i32.const 64) "one\ntwo\r\nrest")
  ;; an iovec: 13 bytes at 64
  (data (i32.const 96) "\40\00\00\00\0d\00\00\00")
  ;; a clock subscription at 128: type 0, one hour
  (data (i32.const 152) "\00\a0\b8\30\46\03\00\00")

  (func $loop (loop $l (br $l)))
  (func $recurse (param i32) (result i32)
    (i32.add (call $recurse (i32.add (local.get 0) (i32.const 1))) (local.get 0)))
  (func $grow (loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))))
  ;; work without loops: eight times eight times eight times filling 192 KiB
  (func $fill (memory.fill (i32.const 65536) (i32.const 7) (i32.const 196608)))
  (func $fill8 (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill) (call $fill))
  (func $ask (result i32)
    (call $call (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 11) (i32.const 48) (i32.const 6)
      (i32.const 65536) (i32.const 8)))

  (func $bad (param $n i32)
    (local $end i32)
    (local.set $end (i32.sub (i32.mul (memory.size) (i32.const 65536)) (i32.const 1)))
    (if (i32.eq (local.get $n) (i32.const 0x30)) (then (call $request (local.get $end) (i32.const 0))))
    (if (i32.eq (local.get $n) (i32.const 0x31)) (then (call $request (i32.const 0) (i32.const -4))))
    (if (i32.eq (local.get $n) (i32.const 0x32)) (then (call $response (local.get $end) (i32.const 2))))
    (if (i32.eq (local.get $n) (i32.const 0x33)) (then (call $error (i32.const -1) (i32.const -1))))
    (if (i32.eq (local.get $n) (i32.const 0x34)) (then (call $log (i32.const 4) (i32.const -1))))
    (if (i32.eq (local.get $n) (i32.const 0x35)) (then (drop (call $call
      (local.get $end) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $n) (i32.const 0x36)) (then (drop (call $call
      (i32.const 0) (i32.const 0) (local.get $end) (i32.const 2) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $n) (i32.const 0x37)) (then (drop (call $call
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (local.get $end) (i32.const 2) (i32.const 0) (i32.const 0)))))
    (if (i32.eq (local.get $n) (i32.const 0x38)) (then (drop (call $call
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (local.get $end) (i32.const 2)))))
    (if (i32.eq (local.get $n) (i32.const 0x39)) (then (drop (call $ask)) (call $host_response (local.get $end))))
    (if (i32.eq (local.get $n) (i32.const 0x3a)) (then (drop (call $ask)) (call $host_error (local.get $end))))
    ;; so many subscriptions that their size wraps around
    (if (i32.eq (local.get $n) (i32.const 0x3b)) (then
      (drop (call $poll (i32.const 128) (i32.const 192) (i32.const 0x10000000) (i32.const 256)))))
    ;; fails with an errno, as WASI wants it, and the guest goes on
    (if (i32.eq (local.get $n) (i32.const 0x3c)) (then
      (drop (call $random (local.get $end) (i32.const 2)))
      (drop (call $write (i32.const 1) (local.get $end) (i32.const 1) (i32.const 0))))))

  (func (export "__guest_call") (param $op i32) (param $len i32) (result i32)
    (local $what i32) (local $n i32) (local $ok i32)
    (call $request (i32.const 1024) (i32.const 65536))
    (local.set $what (i32.load8_u (i32.const 1024)))
    (local.set $n (i32.load8_u (i32.const 1025)))
    (if (i32.eq (local.get $what) (i32.const 0x4c)) (then (call $loop)))                           ;; L
    (if (i32.eq (local.get $what) (i32.const 0x52)) (then (drop (call $recurse (i32.const 0)))))   ;; R
    (if (i32.eq (local.get $what) (i32.const 0x4d)) (then (call $grow) (unreachable)))             ;; M
    (if (i32.eq (local.get $what) (i32.const 0x6d)) (then                                          ;; m
      (call $grow) (call $error (i32.const 0) (i32.const 4)) (return (i32.const 0))))
    (if (i32.eq (local.get $what) (i32.const 0x55)) (then (unreachable)))                          ;; U
    (if (i32.eq (local.get $what) (i32.const 0x44)) (then                                          ;; D
      (drop (i32.div_s (i32.const 1) (i32.sub (local.get $what) (i32.const 0x44))))))
    (if (i32.eq (local.get $what) (i32.const 0x4f)) (then                                          ;; O
      (drop (i32.load (i32.const -8)))))
    (if (i32.eq (local.get $what) (i32.const 0x45)) (then                                          ;; E
      (call $response (i32.const 0) (i32.const 4))
      (call $error (i32.const 0) (i32.const 4)) (return (i32.const 0))))
    (if (i32.eq (local.get $what) (i32.const 0x5a)) (then (return (i32.const 0))))                 ;; Z
    (if (i32.eq (local.get $what) (i32.const 0x32)) (then (return (i32.const 2))))                 ;; 2
    (if (i32.eq (local.get $what) (i32.const 0x4e)) (then (return (i32.const 1))))                 ;; N
    (if (i32.eq (local.get $what) (i32.const 0x48)) (then                                          ;; H
      (drop (memory.grow (i32.const 100)))
      (call $response (i32.const 0) (i32.mul (memory.size) (i32.const 65536))) (return (i32.const 1))))
    (if (i32.eq (local.get $what) (i32.const 0x58)) (then                                          ;; X
      (drop (call $write (i32.const 2) (i32.const 96) (i32.const 1) (i32.const 104)))
      (call $exit (i32.sub (local.get $n) (i32.const 0x30)))))
    (if (i32.eq (local.get $what) (i32.const 0x53)) (then                                          ;; S
      (drop (call $poll (i32.const 128) (i32.const 192) (i32.const 1) (i32.const 256)))))
    (if (i32.eq (local.get $what) (i32.const 0x42)) (then (call $bad (local.get $n))))             ;; B
    (if (i32.eq (local.get $what) (i32.const 0x4b)) (then                                          ;; K
      (loop $l (drop (call $ask)) (br $l))))
    (if (i32.eq (local.get $what) (i32.const 0x46)) (then                                          ;; F
      (loop $l (call $fill8) (br $l))))
    (if (i32.eq (local.get $what) (i32.const 0x57)) (then                                          ;; W
      (drop (call $write (i32.const 1) (i32.const 96) (i32.const 1) (i32.const 104)))
      (drop (call $write (i32.const 2) (i32.const 96) (i32.const 1) (i32.const 104)))
      (call $log (i32.const 64) (i32.const 13))))
    (if (i32.eq (local.get $what) (i32.const 0x47)) (then                                          ;; G
      (drop (call $call (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 11) (i32.const 48) (i32.const 6)
        (i32.const 0) (i32.const 262144)))))
    ;; C: one host call; the answer is its result as a digit, and what it left, read twice
    (if (i32.or (i32.eq (local.get $what) (i32.const 0x43)) (i32.eq (local.get $what) (i32.const 0x47))) (then
      (if (i32.eq (local.get $what) (i32.const 0x43)) (then (local.set $ok (call $ask))))
      (i32.store8 (i32.const 2048) (i32.add (i32.const 0x30) (local.get $ok)))
      (local.set $n (i32.const 2049))
      (call $host_response (local.get $n))
      (local.set $n (i32.add (local.get $n) (call $response_len)))
      (call $host_response (local.get $n))
      (local.set $n (i32.add (local.get $n) (call $response_len)))
      (call $host_error (local.get $n))
      (local.set $n (i32.add (local.get $n) (call $error_len)))
      (call $host_error (local.get $n))
      (local.set $n (i32.add (local.get $n) (call $error_len)))
      (call $response (i32.const 2048) (i32.sub (local.get $n) (i32.const 2048)))
      (return (i32.const 1))))
    (call $response (i32.const 0) (i32.const 4))
    (i32.const 1)))
