// Runs the document's axios snippet, read from stdin, as it is printed but for its two placeholders:
// `TOKEN=<token> node axios.mjs <base-url> < snippet.js`
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [baseUrl] = process.argv.slice(2);
const { TOKEN: token } = process.env;
if (!baseUrl || !token) throw new Error('usage: TOKEN=<token> node axios.mjs <base-url> < snippet.js');

let snippet = readFileSync(0, 'utf8');
fill('${AMPLIFI_BASE_URL}', baseUrl);
fill('A long random string token received from /token request', token);

function fill(placeholder, value) {
  if (!snippet.includes(placeholder)) throw new Error(`the snippet has no ${placeholder}`);
  snippet = snippet.replaceAll(placeholder, () => value);
}

// The snippet awaits at its top level, which only a function around it allows where `require` is at hand.
const AsyncFunction = (async () => {}).constructor;
await new AsyncFunction('require', snippet)(createRequire(import.meta.url));
