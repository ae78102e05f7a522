;; A core module for WASI of 2023-10-18: it answers with status 201, the header x: y, and the path as the body. The path
;; /error is answered with an error, and /bad with a header that is none.
(module
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[constructor]fields" (func $fields (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[method]fields.append"
    (func $append (param i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[resource-drop]fields" (func $drop-fields (param i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[constructor]outgoing-response"
    (func $response (param i32 i32) (result i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[method]outgoing-response.write" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[static]response-outparam.set"
    (func $set (param i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[method]outgoing-body.write" (func $stream (param i32 i32)))
  (import "wasi:http/types@0.2.0-rc-2023-10-18" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32)))
  (import "wasi:io/streams@0.2.0-rc-2023-10-18" "[method]output-stream.blocking-write-and-flush"
    (func $write (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0-rc-2023-10-18" "[resource-drop]output-stream" (func $drop-stream (param i32)))
  (memory (export "memory") 1)
  (global $next (mut i32) (i32.const 4096))
  (data (i32.const 64) "xy" "it broke")
  (data (i32.const 128) "\40\00\00\00\01\00\00\00\41\00\00\00\01\00\00\00") ;; the entry x: y
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
    (global.get $next)
    (global.set $next (i32.add (global.get $next) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -8)))))
  (func (export "wasi:http/incoming-handler@0.2.0-rc-2023-10-18#handle") (param $request i32) (param $out i32)
    (local $fields i32) (local $response i32) (local $body i32) (local $stream i32) (local $at i32) (local $size i32)
    (call $path (local.get $request) (i32.const 16))
    (local.set $at (i32.load (i32.const 20)))
    (local.set $size (i32.load (i32.const 24)))
    (if (i32.eq (i32.load8_u (i32.add (local.get $at) (i32.const 1))) (i32.const 101)) ;; e
      (then
        (call $set (local.get $out) (i32.const 1) (i32.const 3) (i32.const 66) (i32.const 8))
        (return)))
    (local.set $fields (call $fields (i32.const 128) (i32.const 1)))
    (if (i32.eq (i32.load8_u (i32.add (local.get $at) (i32.const 1))) (i32.const 98)) ;; b: a name with a space
      (then (call $append (local.get $fields) (i32.const 68) (i32.const 3) (i32.const 64) (i32.const 1))))
    (local.set $response (call $response (i32.const 201) (local.get $fields)))
    (call $drop-fields (local.get $fields))
    (call $body (local.get $response) (i32.const 16))
    (local.set $body (i32.load (i32.const 20)))
    (call $set (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i32.const 0))
    (call $stream (local.get $body) (i32.const 16))
    (local.set $stream (i32.load (i32.const 20)))
    (call $write (local.get $stream) (local.get $at) (local.get $size) (i32.const 16))
    (call $drop-stream (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0))))
