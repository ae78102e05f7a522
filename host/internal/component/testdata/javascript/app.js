// A component in JavaScript: a listener for fetch events, as browsers have them.
addEventListener('fetch', (event) => event.respondWith(answer(event.request)));

function answer(request) {
  const { pathname, search } = new URL(request.url);
  return new Response(`hello from javascript ${pathname}${search}\n`, { headers: { 'content-type': 'text/plain' } });
}
