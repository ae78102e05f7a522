;; A WASI command: copies argv[1], a colon and stdin to stdout. With the operation "fail" it writes "fail" to stderr and
;; exits with 7; with "loop" it never ends; with "flood" it writes to stdout until that fails.
(module
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 2)
  (func $put (param $fd i32) (param $ptr i32) (param $len i32) (result i32)
    (i32.store (i32.const 0) (local.get $ptr))
    (i32.store (i32.const 4) (local.get $len))
    (call $write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)))
  (func (export "_start")
    (local $op i32) (local $len i32)
    (drop (call $sizes (i32.const 16) (i32.const 20)))
    (drop (call $args (i32.const 32) (i32.const 1024)))
    (local.set $op (i32.load (i32.const 36)))
    (local.set $len (i32.sub
      (i32.sub (i32.add (i32.const 1024) (i32.load (i32.const 20))) (local.get $op)) (i32.const 1)))
    (if (i32.eq (i32.load (local.get $op)) (i32.const 0x6c696166)) (then ;; fail
      (drop (call $put (i32.const 2) (local.get $op) (local.get $len)))
      (call $exit (i32.const 7))))
    (if (i32.eq (i32.load (local.get $op)) (i32.const 0x706f6f6c)) (then ;; loop
      (loop $l (br $l))))
    (if (i32.eq (i32.load (local.get $op)) (i32.const 0x6f6f6c66)) (then ;; floo
      (loop $l (br_if $l (i32.eqz (call $put (i32.const 1) (i32.const 0) (i32.const 65536)))))))
    (drop (call $put (i32.const 1) (local.get $op) (local.get $len)))
    (i32.store8 (i32.const 12) (i32.const 0x3a))
    (drop (call $put (i32.const 1) (i32.const 12) (i32.const 1)))
    (block $done (loop $l
      (i32.store (i32.const 0) (i32.const 65536))
      (i32.store (i32.const 4) (i32.const 4096))
      (drop (call $read (i32.const 0) (i32.const 0) (i32.const 1) (i32.const 8)))
      (br_if $done (i32.eqz (i32.load (i32.const 8))))
      (drop (call $put (i32.const 1) (i32.const 65536) (i32.load (i32.const 8))))
      (br $l)))))
