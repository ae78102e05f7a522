// A component in C, by the canonical ABI: each import is a function of integers and pointers, and results of more than
// one value are written where the caller says.
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define IMPORT(module, name) __attribute__((import_module(module), import_name(name)))
#define EXPORT(name) __attribute__((export_name(name)))
#define TYPES "wasi:http/types@0.2.0"
#define STREAMS "wasi:io/streams@0.2.0"

typedef uint32_t handle;

IMPORT(TYPES, "[method]incoming-request.path-with-query") void path_with_query(handle request, uint32_t out[3]);
IMPORT(TYPES, "[resource-drop]incoming-request") void drop_request(handle request);
IMPORT(TYPES, "[constructor]fields") handle new_fields(void);
IMPORT(TYPES, "[constructor]outgoing-response") handle new_response(handle fields);
IMPORT(TYPES, "[method]outgoing-response.body") void response_body(handle response, uint32_t out[2]);
IMPORT(TYPES, "[static]response-outparam.set")
void respond(handle param, uint32_t is_err, handle response, uint32_t, uint64_t, uint32_t, uint32_t, uint32_t, uint32_t);
IMPORT(TYPES, "[method]outgoing-body.write") void body_write(handle body, uint32_t out[2]);
IMPORT(TYPES, "[static]outgoing-body.finish")
void body_finish(handle body, uint32_t has_trailers, handle trailers, uint32_t out[10]);
IMPORT(STREAMS, "[method]output-stream.blocking-write-and-flush")
void write_and_flush(handle stream, const void *p, size_t n, uint32_t out[3]);
IMPORT(STREAMS, "[resource-drop]output-stream") void drop_stream(handle stream);

// What the host hands over is put where this says.
EXPORT("cabi_realloc") void *cabi_realloc(void *old, size_t old_size, size_t align, size_t size) {
  void *p = realloc(old, size);
  if (!p) __builtin_trap();
  return p;
}

EXPORT("wasi:http/incoming-handler@0.2.0#handle") void handle_request(handle request, handle out) {
  uint32_t path[3], body[2], stream[2], result[10]; // an option or a result begins with its case
  path_with_query(request, path);
  drop_request(request);
  handle response = new_response(new_fields());
  response_body(response, body);
  respond(out, 0, response, 0, 0, 0, 0, 0, 0);
  body_write(body[1], stream);
  write_and_flush(stream[1], "hello from c ", 13, result);
  if (path[0] & 1) write_and_flush(stream[1], (void *)path[1], path[2], result);
  write_and_flush(stream[1], "\n", 1, result);
  drop_stream(stream[1]);
  body_finish(body[1], 0, 0, result);
  if (path[0] & 1) free((void *)path[1]);
}
