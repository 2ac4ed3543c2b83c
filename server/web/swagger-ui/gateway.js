// Starts the Swagger UI, with one plugin of the gateway's own.

const EXAMPLE = 'l8t0rw2m4zzpi1goeytt597bhtz31ljbf0zo0vz1w2kxeskgwmz36bjafvg8kx1rbwb2bzm4l0xgmux81t';
const problemOf = ({ body, text }) => String(body?.type ?? text ?? '').match(/urn:connect-socket:problem:([a-z-]+)/)?.[1];

/** A part of the document with its references to other parts resolved. No schema of the contract contains itself. */
function resolved(part, document) {
  if (!part?.map) return part;
  const reference = part.get('$ref');
  const target = typeof reference === 'string' ? document.getIn(reference.split('/').slice(1)) : undefined;
  return target ? resolved(target, document) : part.map((inner) => resolved(inner, document));
}

/** A stream's response with the schema of its items, which the Swagger UI does not draw, as its schema. */
function withItemSchema(response, document) {
  const content = response.get('content')?.map((type) => {
    const items = type.get('itemSchema') ?? type.get('x-item-schema');
    return items ? type.set('schema', resolved(items, document)) : type;
  });
  return content ? response.set('content', content) : response;
}

/** Responses that refuse show what they mean in a line, and their examples on demand. */
const foldedProblems = (Response, { React, getComponent, specSelectors }) => {
  const { createElement: h, useState } = React;
  return function FoldedResponse(props) {
    const [isOpen, setOpen] = useState(false);
    if (!(Number(props.code) >= 400)) {
      return h(Response, { ...props, response: withItemSchema(props.response, specSelectors.specJson()) });
    }
    const Markdown = getComponent('Markdown', true);
    const toggle = h('button', {
      type: 'button', className: 'problem-toggle', 'aria-expanded': isOpen, onClick: () => setOpen(!isOpen),
    }, h(Markdown, { source: props.response.get('description') }));
    const example = isOpen && h('table', null, h('tbody', null, h(Response, props)));
    return h('tr', { className: 'response', 'data-code': props.code },
      h('td', { className: 'response-col_status' }, props.code),
      h('td', { className: 'response-col_description' }, toggle, example),
      h('td', { className: 'response-col_links' }));
  };
};

const brand = (_, { React: { createElement: h } }) => () => [
  h('a', { key: 'home', className: 'gateway-brand', href: '/' }, h('img', { src: 'icon.svg', alt: '' }), 'Connect Socket'),
  h('a', { key: 'try', className: 'gateway-try', href: '/try/' }, 'Try it'),
];

/** The event stream has no end, so its button starts and stops it and shows events as they come. */
const eventStream = ({ React, authSelectors, specSelectors }) => {
  const { createElement: h, useEffect, useRef, useState } = React;
  return function EventStream({ path, method }) {
    const [text, setText] = useState('');
    const [isOn, setOn] = useState(false);
    const stream = useRef();
    useEffect(() => () => stream.current?.abort(), []);
    const start = async () => {
      stream.current = new AbortController();
      setOn(true);
      setText('');
      const key = authSelectors.authorized().getIn(['operatorKey', 'value']) ?? '';
      const [, after] = specSelectors.parameterValues([path, method]).findEntry((_, name) => name.includes('Last-Event-ID')) ?? [];
      try {
        const response = await fetch(path, {
          signal: stream.current.signal, headers: { authorization: `Bearer ${key}`, ...(after && { 'last-event-id': after }) },
        });
        for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
          setText((shown) => (shown + chunk).slice(-20_000));
        }
      } catch (error) {
        if (!stream.current.signal.aborted) setText((shown) => `${shown}${error}\n`);
      }
      setOn(false);
    };
    return h(React.Fragment, null,
      h('button', { className: 'btn execute opblock-control__btn', onClick: () => (isOn ? stream.current.abort() : start()) }, isOn ? 'Stop' : 'Stream'),
      (isOn || text) && h('pre', { className: 'gateway-stream microlight', tabIndex: 0, role: 'log', 'aria-label': 'Events' }, text || 'Waiting for events …'));
  };
};

/** What the button Execute cannot do: a websocket, and a response without an end. */
const execute = (Execute, system) => {
  const { createElement: h } = system.React;
  const EventStream = eventStream(system);
  return (props) => {
    const { path, method } = props;
    if (path === '/prospect/socket') return h('a', { className: 'btn execute opblock-control__btn', href: '/try/' }, 'Open a socket on the try page');
    return h(path === '/operator/events' && method === 'get' ? EventStream : Execute, props);
  };
};

/** The body with another `halfRef` where it has the document's example, or one that this page has sent. */
const sentHalfRefs = new Set([EXAMPLE]);
function withFreshHalfRef(body) {
  const halfRef = body.match(/"halfRef"\s*:\s*"([^"\\]+)"/)?.[1];
  const fresh = sentHalfRefs.has(halfRef) ? crypto.randomUUID() + crypto.randomUUID() : halfRef;
  sentHalfRefs.add(fresh);
  return halfRef ? body.replace(halfRef, fresh) : body;
}

/** Fills the token in that was got, and takes out what no longer works, so that the lock shows the truth. */
function followResponse({ authActions, layoutActions }, path, method, response) {
  const problem = problemOf(response.err?.response ?? response);
  if (path === '/token' && method === 'put' && response.status === 200) {
    const { token } = response.body ?? JSON.parse(response.text);
    const schema = { type: 'apiKey', in: 'header', name: 'token' };
    authActions.authorizeWithPersistOption({ token: { name: 'token', schema, value: token } });
    layoutActions.show(['operations', 'prospect', 'connectSocket'], true);
  } else if ((path === '/token' && method === 'delete' && response.status === 204) || /^token-(unknown|expired|malformed)$/.test(problem)) {
    authActions.logoutWithPersistOption(['token']);
  } else if (problem === 'operator-key-unknown') {
    authActions.logoutWithPersistOption(['operatorKey']);
  }
}

const gateway = () => ({
  wrapComponents: { response: foldedProblems, Logo: brand, execute },
  statePlugins: {
    spec: {
      wrapActions: {
        execute: (original, { oas3Actions, oas3Selectors }) => (request) => {
          const { path, method } = request;
          const body = oas3Selectors.requestBodyValue(path, method);
          if (path === '/prospect/connectsocket' && typeof body === 'string') {
            oas3Actions.setRequestBodyValue({ value: withFreshHalfRef(body), pathMethod: [path, method] });
          }
          return original(request);
        },
        setResponse: (original, system) => (path, method, response) => {
          const result = original(path, method, response);
          followResponse(system, path, method, response);
          return result;
        },
      },
    },
    auth: {
      wrapActions: {
        // Everything but the operator key, which no page keeps.
        persistAuthorizationIfNeeded: (_, { authSelectors }) => () => {
          localStorage.setItem('authorized', JSON.stringify(authSelectors.authorized().delete('operatorKey')));
          return { type: 'persisted' };
        },
      },
    },
  },
});

window.ui = SwaggerUIBundle({
  dom_id: '#swagger-ui',
  urls: [
    { name: 'OpenAPI 3.1', url: '/openapi.json' },
    { name: 'OpenAPI 3.0', url: '/openapi-3.0.json' },
    { name: 'OpenAPI 3.2', url: '/openapi-3.2.json' },
  ],
  'urls.primaryName': 'OpenAPI 3.1',
  presets: [SwaggerUIBundle.presets.apis, SwaggerUIStandalonePreset],
  plugins: [SwaggerUIBundle.plugins.DownloadUrl, gateway],
  layout: 'StandaloneLayout',
  deepLinking: true,
  defaultModelsExpandDepth: 0,
  displayOperationId: true,
  displayRequestDuration: true,
  persistAuthorization: true,
  requestSnippetsEnabled: true,
  tryItOutEnabled: true,
  validatorUrl: 'none',
});
