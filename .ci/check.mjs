// Runs the checks one after another, all of them even when one fails, and sums up at the end; exits non-zero if any failed.
// `node .ci/check.mjs` runs everything, `node .ci/check.mjs lint` all that execute no moorage code, and names from the table
// below just those (`node .ci/check.mjs mypy vitest`).
// Not covered: making the environment (`.ci/setup.mjs`); arguments for one tool, for that call the tool itself.

import { spawnSync } from 'node:child_process';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));

const venv = '.venv/bin/';
const npm = 'node_modules/.bin/';

const CHECKS = [
  { name: 'ruff', group: 'lint', command: [`${venv}ruff`, 'check', '.'] },
  { name: 'ruff-format', group: 'lint', command: [`${venv}ruff`, 'format', '--check', '.'] },
  { name: 'mypy', group: 'lint', command: [`${venv}mypy`] },
  { name: 'import-linter', group: 'lint', command: [`${venv}lint-imports`] },
  { name: 'eslint', group: 'lint', command: ['npm', 'run', '--silent', 'eslint'] },
  { name: 'prettier', group: 'lint', command: [`${npm}prettier`, '--check', '.'] },
  { name: 'tsc', group: 'lint', command: [`${npm}tsc`, '--noEmit', '-p', 'tests/labextension'] },
  {
    name: 'vitest',
    group: 'test',
    command: [`${npm}vitest`, 'run', '--config', 'labextension/vitest.config.mts']
  },
  { name: 'pytest', group: 'test', command: [`${venv}pytest`] }
];

function select(wanted) {
  const known = new Set(CHECKS.flatMap(check => [check.name, check.group]));
  const unknown = wanted.filter(word => !known.has(word));
  if (unknown.length > 0) {
    console.error(`check: there is no ${unknown.join(', ')}; there are ${[...known].join(', ')}`);
    process.exit(2);
  }
  return wanted.length === 0
    ? CHECKS
    : CHECKS.filter(check => wanted.includes(check.name) || wanted.includes(check.group));
}

function run({ name, command: [program, ...args] }) {
  console.log(`\n=== ${name}: ${program} ${args.join(' ')}`);
  const started = performance.now();
  const { status, error } = spawnSync(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) {
    console.error(`cannot run ${program}: ${error.message} (npm run setup makes it)`);
  }
  return { name, ok: status === 0, seconds: (performance.now() - started) / 1000 };
}

// A browser, a job queue and dozens of processes on two cores: a test may meet a moment that has nothing to do with it. What
// fails is run once more; what passes then is named, because somebody has a race to find.
function runAgain(check) {
  console.log(`\n=== ${check.name}: what failed, once more`);
  const again = run({
    ...check,
    command: [...check.command, '--last-failed', '--last-failed-no-failures=none']
  });
  return { ...again, note: again.ok ? ', some tests only the second time: find the race' : '' };
}

const results = select(process.argv.slice(2)).map(check => {
  const result = run(check);
  return result.ok || check.name !== 'pytest' ? result : runAgain(check);
});
console.log('\n=== summary');
for (const { name, ok, seconds, note = '' } of results) {
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds.toFixed(1)} s)${note}`);
}
process.exit(results.every(result => result.ok) ? 0 : 1);
