// Runs spectral and redocly on each OpenAPI document: `node lint.mjs <file.json>...`
// Any finding of any severity fails, save the exceptions in the two tools' files beside this one.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const configs = ['.spectral.yaml', 'redocly.yaml', '.redocly.lint-ignore.yaml'];

// The exceptions name the file they hold for, so each document is linted as `document.json` next to them.
function lint(file) {
  const directory = mkdtempSync(join(tmpdir(), 'lint-'));
  try {
    for (const config of configs) copyFileSync(join(here, config), join(directory, config));
    copyFileSync(file, join(directory, 'document.json'));
    return [...spectral(directory), ...redocly(directory)];
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function spectral(directory) {
  const report = run(directory, 'spectral', ['lint', '--quiet', '--format=json', 'document.json']);
  return report.map((finding) => `spectral ${finding.code} at ${finding.path.join('.')}: ${finding.message}`);
}

function redocly(directory) {
  const report = run(directory, 'redocly', ['lint', '--format=json', '--max-problems=1000', 'document.json']);
  return report.problems.map(
    (finding) => `redocly ${finding.ruleId} at ${finding.location[0]?.pointer}: ${finding.message}`,
  );
}

function run(cwd, tool, args) {
  const { error, stdout, stderr } = spawnSync(join(here, 'node_modules/.bin', tool), args, {
    cwd, encoding: 'utf8', timeout: 60_000, maxBuffer: 64 << 20,
  });
  if (error) throw error;
  try {
    return JSON.parse(stdout);
  } catch {
    throw new Error(`${tool} gave no report:\n${stdout}${stderr}`);
  }
}

const files = process.argv.slice(2);
if (files.length === 0) throw new Error('usage: node lint.mjs <file.json>...');
for (const file of files) {
  const findings = lint(file);
  console.log(`${file}: ${findings.length} findings`);
  for (const finding of findings) console.log(`  ${finding}`);
  if (findings.length > 0) process.exitCode = 1;
}
