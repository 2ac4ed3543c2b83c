// The same request as curl, fetch and axios, and the blocks of the page that show it.

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;
const script = (value) => JSON.stringify(value, null, 2).replace(/"([A-Za-z]\w*)":/g, '$1:').replaceAll('\n', '\n  ');

const languages = {
  curl({ method, url, headers, body, socket }) {
    if (socket) return `# curl 8.11 or newer\ncurl --no-buffer ${quoted(url)} \\\n  --header ${quoted(`Sec-WebSocket-Protocol: ${socket.join(', ')}`)}`;
    const lines = [`curl --no-buffer --request ${method} ${quoted(url)}`];
    for (const [name, value] of Object.entries(headers ?? {})) lines.push(`--header ${quoted(`${name}: ${value}`)}`);
    if (body !== undefined) lines.push(`--json ${quoted(JSON.stringify(body))}`);
    return lines.join(' \\\n  ');
  },
  fetch({ method, url, headers, body, socket, isStream }) {
    if (socket) return `const socket = new WebSocket(${script(url)}, ${script(socket)});\nsocket.onmessage = ({ data }) => console.log(JSON.parse(data));`;
    const all = body === undefined ? headers : { ...headers, 'content-type': 'application/json' };
    const lines = [`method: ${script(method)}`, ...(all ? [`headers: ${script(all)}`] : [])];
    if (body !== undefined) lines.push(`body: JSON.stringify(${script(body)})`);
    const after = isStream
      ? 'for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) console.log(chunk);'
      : 'console.log(response.status, await response.text());';
    return `const response = await fetch(${script(url)}, {\n  ${lines.join(',\n  ')},\n});\n${after}`;
  },
  axios({ method, url, headers, body, socket, isStream }) {
    if (socket) return languages.fetch({ url, socket });
    const lines = [`method: ${script(method)}`, `url: ${script(url)}`, ...(headers ? [`headers: ${script(headers)}`] : [])];
    if (body !== undefined) lines.push(`data: ${script(body)}`);
    if (isStream) lines.push("responseType: 'stream'");
    const after = isStream ? "response.data.on('data', (chunk) => console.log(String(chunk)));" : 'console.log(response.status, response.data);';
    return `const response = await axios({\n  ${lines.join(',\n  ')},\n});\n${after}`;
  },
};

const blocks = [];
const chosen = () => document.querySelector('input[name=language]:checked').value;

function draw({ text, pre, request, secrets }) {
  const code = typeof request === 'string' ? request : languages[chosen()](request);
  text.full = code;
  // A secret of the operator is copied, but not shown.
  pre.textContent = secrets.reduce((shown, secret) => (secret ? shown.replaceAll(secret, '•'.repeat(8)) : shown), code);
}

/** Shows `request` in the block with this id or element. */
export function showCode(details, request, secrets = []) {
  let block = blocks.find((known) => known.details === details);
  if (!block) {
    const frame = document.createElement('div');
    frame.className = 'block';
    const pre = document.createElement('pre');
    pre.tabIndex = 0;
    const copy = document.createElement('button');
    copy.type = 'button';
    copy.className = 'quiet';
    copy.textContent = 'Copy';
    block = { details, pre, text: {} };
    copy.addEventListener('click', async () => {
      await navigator.clipboard.writeText(block.text.full).then(() => { copy.textContent = 'Copied'; }, () => { copy.textContent = 'Select it by hand'; });
      setTimeout(() => { copy.textContent = 'Copy'; }, 1500);
    });
    frame.append(pre, copy);
    details.append(frame);
    blocks.push(block);
  }
  Object.assign(block, { request, secrets });
  draw(block);
}

document.querySelector('#language').addEventListener('change', () => blocks.forEach(draw));
