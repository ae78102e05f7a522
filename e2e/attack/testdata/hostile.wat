;; A component that attacks its host, in the way that the last letter of the request's path says. make components makes
;; the binary, with ../../../actor-sdk/wit/http.wit.
(module
  (import "wasi:http/types@0.2.0" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[resource-drop]fields" (func $drop-fields (param i32)))
  (import "wasi:http/types@0.2.0" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]fields.from-list" (func $from-list (param i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[method]fields.entries" (func $entries (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-body.write" (func $write (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[resource-drop]outgoing-body" (func $drop-body (param i32)))
  (import "wasi:http/types@0.2.0" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop-stream (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush"
    (func $flush (param i32 i32 i32 i32)))

  (memory (export "memory") 2)
  (data (i32.const 1024) "x-header") ;; results are put below that
  (global $next (mut i32) (i32.const 4096))
  (global $realloc (mut i32) (i32.const 0)) ;; how cabi_realloc cheats: 1 far away, 2 without end, 3 calls the host
  (global $stream (mut i32) (i32.const 0))

  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (if (i32.eq (global.get $realloc) (i32.const 1)) (then (return (i32.const 0x7ffffff0))))
    (if (i32.eq (global.get $realloc) (i32.const 2)) (then (loop (br 0))))
    (if (i32.eq (global.get $realloc) (i32.const 3)) (then (drop (call $fields))))
    (global.set $next (i32.and (i32.add (global.get $next) (i32.const 7)) (i32.const -8)))
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (local.get 3))))

  ;; head sends the head of a response and 8 bytes of its body.
  (func $head (param $out i32)
    (local $r i32)
    (local.set $r (call $response (call $fields)))
    (call $body (local.get $r) (i32.const 16))
    (call $set (local.get $out) (i32.const 0) (local.get $r)
      (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $write (i32.load (i32.const 20)) (i32.const 24))
    (global.set $stream (i32.load (i32.const 28)))
    (call $flush (global.get $stream) (i32.const 1024) (i32.const 8) (i32.const 32)))

  (func (export "wasi:http/incoming-handler@0.2.0#handle") (param $request i32) (param $out i32)
    (local $how i32) (local $f i32) (local $n i32)
    (call $path (local.get $request) (i32.const 0)) ;; option<string>: case, pointer, length
    (local.set $how (i32.load8_u
      (i32.sub (i32.add (i32.load (i32.const 4)) (i32.load (i32.const 8))) (i32.const 1))))
    (local.set $f (call $fields))

    ;; l: an endless loop
    (if (i32.eq (local.get $how) (i32.const 108)) (then (loop (br 0))))
    ;; g: memory without end
    (if (i32.eq (local.get $how) (i32.const 103)) (then
      (loop (br_if 0 (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable))
    ;; t: a trap after the head
    (if (i32.eq (local.get $how) (i32.const 116)) (then (call $head (local.get $out)) unreachable))
    ;; e: an endless loop after the head
    (if (i32.eq (local.get $how) (i32.const 101)) (then (call $head (local.get $out)) (loop (br 0))))
    ;; b: a body without end
    (if (i32.eq (local.get $how) (i32.const 98)) (then
      (call $head (local.get $out))
      (loop (call $flush (global.get $stream) (i32.const 0) (i32.const 4096) (i32.const 32)) (br 0))))
    ;; h: handles without end
    (if (i32.eq (local.get $how) (i32.const 104)) (then (loop (drop (call $fields)) (br 0))))
    ;; a: a header of 1 GB, in values of 64 KiB; it traps when one is refused, and sends it otherwise
    (if (i32.eq (local.get $how) (i32.const 97)) (then
      (memory.fill (i32.const 65536) (i32.const 120) (i32.const 65536))
      (loop
        (call $append (local.get $f) (i32.const 1024) (i32.const 8) (i32.const 65536) (i32.const 65536) (i32.const 32))
        (if (i32.load8_u (i32.const 32)) (then unreachable))
        (local.set $n (i32.add (local.get $n) (i32.const 1)))
        (br_if 0 (i32.lt_u (local.get $n) (i32.const 16384))))
      (call $set (local.get $out) (i32.const 0) (call $response (local.get $f))
        (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
      (return)))
    ;; s: a string of 2 GB that is not there
    (if (i32.eq (local.get $how) (i32.const 115)) (then
      (call $append (local.get $f) (i32.const 1024) (i32.const 0x7fffffff) (i32.const 0) (i32.const 0) (i32.const 32))))
    ;; i: a list of 2 G entries that are not there
    (if (i32.eq (local.get $how) (i32.const 105)) (then
      (call $from-list (i32.const 0) (i32.const 0x7fffffff) (i32.const 32))))
    ;; p: values copied to the guest without end
    (if (i32.eq (local.get $how) (i32.const 112)) (then
      (call $append (local.get $f) (i32.const 1024) (i32.const 8) (i32.const 65536) (i32.const 65536) (i32.const 32))
      (loop (global.set $next (i32.const 65536)) (call $entries (local.get $f) (i32.const 32)) (br 0))))
    ;; f: a forged handle; d: one dropped twice; u: one used after it was given away; o: the other kind
    (if (i32.eq (local.get $how) (i32.const 102)) (then (call $drop-fields (i32.const 12345))))
    (if (i32.eq (local.get $how) (i32.const 100)) (then
      (call $drop-fields (local.get $f)) (call $drop-fields (local.get $f))))
    (if (i32.eq (local.get $how) (i32.const 117)) (then
      (drop (call $response (local.get $f))) (call $entries (local.get $f) (i32.const 32))))
    (if (i32.eq (local.get $how) (i32.const 111)) (then (call $drop-body (local.get $f))))
    ;; 2: two responses
    (if (i32.eq (local.get $how) (i32.const 50)) (then
      (call $head (local.get $out)) (call $head (local.get $out))))
    ;; n: no response at all
    (if (i32.eq (local.get $how) (i32.const 110)) (then (return)))
    ;; 1, 4, 3: cabi_realloc gives memory that is not there, does not return, calls the host
    (if (i32.or (i32.eq (local.get $how) (i32.const 49))
        (i32.or (i32.eq (local.get $how) (i32.const 52)) (i32.eq (local.get $how) (i32.const 51)))) (then
      (global.set $realloc (i32.const 1))
      (if (i32.eq (local.get $how) (i32.const 52)) (then (global.set $realloc (i32.const 2))))
      (if (i32.eq (local.get $how) (i32.const 51)) (then (global.set $realloc (i32.const 3))))
      (call $path (local.get $request) (i32.const 0))))
    ;; anything else is answered as it should be
    (call $head (local.get $out))
    (call $drop-stream (global.get $stream))
    (call $finish (i32.load (i32.const 20)) (i32.const 0) (i32.const 0) (i32.const 48))))
