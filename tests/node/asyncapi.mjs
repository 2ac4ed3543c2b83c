// Reads an AsyncAPI document with the official parser: `node asyncapi.mjs <file.json>`
// Any finding of any severity fails, but for the advice to use a newer AsyncAPI than 3.0.
import { readFileSync } from 'node:fs';
import { Parser } from '@asyncapi/parser';

const [file] = process.argv.slice(2);
if (!file) throw new Error('usage: node asyncapi.mjs <file.json>');

const parser = new Parser({ ruleset: { rules: { 'asyncapi-latest-version': 'off' } } });
const { document, diagnostics } = await parser.parse(readFileSync(file, 'utf8'));
console.log(`${file}: ${diagnostics.length} findings`);
for (const finding of diagnostics) console.log(`  ${finding.code} at ${finding.path.join('.')}: ${finding.message}`);
if (!document || diagnostics.length > 0) process.exit(1);
