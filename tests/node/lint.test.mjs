// The linters' exceptions hold for the places they name and for no other: `node --test lint.test.mjs`
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';

const here = import.meta.dirname;
const documents = join(here, '../../openapi');

function lint(document) {
  const directory = mkdtempSync(join(tmpdir(), 'lint-test-'));
  try {
    const file = join(directory, 'openapi.json');
    writeFileSync(file, JSON.stringify(document));
    const { status, stdout } = spawnSync(process.execPath, [join(here, 'lint.mjs'), file], { encoding: 'utf8' });
    return { status, findings: stdout.split('\n').slice(1, -1).map((line) => line.trim().split(': ')[0]) };
  } finally {
    rmSync(directory, { recursive: true });
  }
}

for (const name of ['openapi.json', 'openapi-3.0.json', 'openapi-3.2.json']) {
  const committed = () => JSON.parse(readFileSync(join(documents, name)));

  test(`${name} without a 2xx elsewhere is a finding of both`, () => {
    const document = committed();
    const { 101: upgrade } = document.paths['/prospect/socket'].get.responses;
    const { responses } = document.paths['/prospect/connectsocket'].post;
    delete responses[200];
    responses[101] = upgrade;
    const { status, findings } = lint(document);
    assert.equal(status, 1);
    assert(findings.includes('spectral operation-success-response at paths./prospect/connectsocket.post.responses'));
    assert(findings.includes('redocly operation-2xx-response at #/paths/~1prospect~1connectsocket/post/responses'));
  });

  test(`${name} with another unused schema is a finding of both`, () => {
    const document = committed();
    document.components.schemas.Spare = { type: 'object', description: 'Unused.' };
    const { status, findings } = lint(document);
    assert.equal(status, 1);
    assert(findings.includes('spectral oas3-unused-component at components.schemas.Spare'));
    assert(findings.includes('redocly no-unused-components at #/components/schemas/Spare'));
  });
}
