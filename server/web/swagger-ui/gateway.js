// Starts the Swagger UI, with one plugin of the gateway's own.

/** Responses that refuse show what they mean in a line, and their examples on demand. */
const foldedProblems = (Response, { React, getComponent }) => {
  const { createElement: h, useState } = React;
  return function FoldedResponse(props) {
    const [isOpen, setOpen] = useState(false);
    if (!(Number(props.code) >= 400)) return h(Response, props);
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

const brand = (_, { React: { createElement: h } }) => () =>
  h('a', { className: 'gateway-brand', href: '/' }, h('img', { src: 'icon.svg', alt: '' }), 'Connect Socket');

const gateway = () => ({
  wrapComponents: { response: foldedProblems, Logo: brand },
});

window.ui = SwaggerUIBundle({
  dom_id: '#swagger-ui',
  urls: [
    { name: 'OpenAPI 3.1', url: '/openapi.json' },
    { name: 'OpenAPI 3.0', url: '/openapi-3.0.json' },
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
