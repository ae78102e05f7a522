// /count/KEY counts in the key-value store, /config/NAME tells a value of the configuration, /fetch/AUTHORITY/PATH asks
// another server, /echo sends the body back as it comes, /events sends five events. All else is greeted.
import { open } from 'wasi:keyvalue/store@0.2.0-draft';
import { increment } from 'wasi:keyvalue/atomics@0.2.0-draft';
import { get } from 'wasi:config/runtime@0.2.0-draft';

addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

async function answer(request) {
  const { pathname, search } = new URL(request.url);
  const [, kind, ...rest] = pathname.split('/');
  switch (kind) {
    case 'count':
      return new Response(`${increment(open('default'), rest[0], 1n)}\n`);
    case 'config':
      return new Response(`${get(rest[0])}\n`);
    case 'fetch':
      return fetch(`http://${rest.join('/')}${search}`, {
        method: request.method,
        headers: { 'x-from': 'javascript' },
        body: request.body,
      });
    case 'echo':
      return new Response(request.body);
    case 'events':
      return new Response(events(), { headers: { 'content-type': 'text/event-stream' } });
  }
  return new Response(`hello from javascript ${pathname}${search}\n`);
}

function events() {
  let n = 0;
  return new ReadableStream({
    async pull(controller) {
      await new Promise((done) => setTimeout(done, 50));
      controller.enqueue(new TextEncoder().encode(`data: ${n++}\n\n`));
      if (n === 5) controller.close();
    },
  });
}
