// Runs the checks and sums up at the end; exits non-zero if any failed. Tests that failed are run once more when all else has
// ended, unless others did not run at all: what passes only then is named in the summary, because it has a fault, too, which
// somebody has to find.
// `node .ci/check.mjs` runs everything, `node .ci/check.mjs lint` all that execute no moorage code, and names from the table
// below just those (`node .ci/check.mjs mypy vitest`); with `--packages newest` or `oldest` in that environment.
// Not covered: making the environment (`.ci/setup.mjs`); arguments for one tool, for that call the tool itself.

import { spawn } from 'node:child_process';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { chosen } from './environments.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));

const { environment, rest } = chosen(process.argv.slice(2));
const venv = `${environment.folder}/bin/`;
const npm = 'node_modules/.bin/';

// What pytest exits with when all tests ran. An interrupt, or an error of its own, leaves some out.
const TESTS_FAILED = 1;

// Where pytest remembers what failed: two of them run side by side.
const cache = name => ['-o', `cache_dir=.pytest_cache/${name}`];

// Checks of one lane run one after another, the lanes side by side. What is in no lane runs after the browser's, which ends first.
// Most of the time tests wait for processes of theirs: four run side by side on two processors.
const CHECKS = [
  {
    name: 'pytest',
    group: 'test',
    lane: 'pytest',
    command: [
      `${venv}pytest`,
      '--ignore=tests/panel',
      '--numprocesses=4',
      '--dist=loadscope',
      '--no-loadscope-reorder',
      ...cache('pytest')
    ]
  },
  // One browser, whose driver has its event loop in the thread that runs the tests: to break that off, as a time limit does
  // by a signal, would have all that come after wait for ever. So the limit ends the process, and another one goes on.
  {
    name: 'browser',
    group: 'test',
    lane: 'browser',
    command: [
      `${venv}pytest`,
      'tests/panel',
      '--numprocesses=1',
      '--timeout-method=thread',
      ...cache('browser')
    ]
  },
  { name: 'ruff', group: 'lint', command: [`${venv}ruff`, 'check', '.'] },
  { name: 'ruff-format', group: 'lint', command: [`${venv}ruff`, 'format', '--check', '.'] },
  { name: 'mypy', group: 'lint', command: [`${venv}mypy`] },
  { name: 'import-linter', group: 'lint', command: [`${venv}lint-imports`] },
  { name: 'deptry', group: 'lint', command: [`${venv}deptry`, 'py_src'] },
  {
    name: 'deptry-tests', // what runs nowhere else may use what the package does not declare
    group: 'lint',
    command: [
      `${venv}deptry`,
      'tests',
      'benchmarks',
      '.ci',
      '--exclude',
      'node_modules',
      '--ignore',
      'DEP002,DEP004'
    ]
  },
  { name: 'eslint', group: 'lint', command: ['npm', 'run', '--silent', 'eslint'] },
  { name: 'prettier', group: 'lint', command: [`${npm}prettier`, '--check', '.'] },
  { name: 'tsc', group: 'lint', command: [`${npm}tsc`, '--noEmit', '-p', 'tests/labextension'] },
  {
    name: 'vitest',
    group: 'test',
    command: [`${npm}vitest`, 'run', '--config', 'labextension/vitest.config.mts']
  }
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

// Runs one check and resolves to its exit code. With `pieces`, what it prints is put there.
function execute(program, args, pieces) {
  return new Promise(resolve => {
    const child = spawn(program, args, { stdio: ['ignore', ...Array(2).fill(pieces ? 'pipe' : 'inherit')] });
    child.stdout?.on('data', piece => pieces.push(piece));
    child.stderr?.on('data', piece => pieces.push(piece));
    child.on('error', error => {
      console.error(`cannot run ${program}: ${error.message} (npm run setup makes it)`);
      resolve(-1);
    });
    // Something that it left behind may hold its pipes.
    child.on('exit', status => setTimeout(resolve, 2000, status).unref());
    child.on('close', resolve);
  });
}

async function run({ name, command: [program, ...args] }, live) {
  const title = `\n=== ${name}: ${program} ${args.join(' ')}`;
  const started = performance.now();
  if (live) {
    console.log(title);
  }
  const pieces = live ? undefined : [];
  const status = await execute(program, args, pieces);
  const seconds = (performance.now() - started) / 1000;
  if (!live) {
    console.log(title);
    process.stdout.write(Buffer.concat(pieces));
  }
  return { name, status, ok: status === 0, seconds };
}

async function runAgain(result) {
  const check = CHECKS.find(({ name }) => name === result.name);
  if (result.status !== TESTS_FAILED || check.lane === undefined) {
    return result;
  }
  const again = await run(
    {
      name: `${check.name}, what failed once more`,
      command: [
        ...check.command,
        '--numprocesses=0',
        '--last-failed',
        '--last-failed-no-failures=none',
        '-rA'
      ]
    },
    true
  );
  const note = again.ok ? ', but some tests only the second time: they are listed above, find the fault' : '';
  return { ...result, ok: again.ok, seconds: result.seconds + again.seconds, note };
}

async function runLane(lane, live) {
  const results = [];
  for (const check of lane) {
    results.push(await run(check, live));
  }
  return results;
}

const selected = select(rest);
const lanes = [true, false]
  .map(isFirst => selected.filter(check => (check.lane === 'pytest') === isFirst))
  .filter(lane => lane.length > 0);
// The first lane prints as it goes; what a check of the others prints comes in one piece when it has ended.
const results = (await Promise.all(lanes.map((lane, i) => runLane(lane, i === 0)))).flat();
for (const [i, result] of results.entries()) {
  results[i] = await runAgain(result);
}
console.log('\n=== summary');
for (const { name, ok, seconds, note = '' } of results) {
  console.log(`${ok ? 'ok    ' : 'FAILED'} ${name} (${seconds.toFixed(1)} s)${note}`);
}
process.exit(results.every(result => result.ok) ? 0 : 1);
