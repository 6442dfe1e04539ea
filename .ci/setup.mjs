// Makes a fresh clone ready to work in: `.venv` with moorage installed editable, `node_modules`, and the built panel
// linked into the environment's JupyterLab. With `--browser` also the browsers of the browser tests. With
// `--packages newest` or `oldest` the same in an environment of its own, of other versions (`.ci/environments.mjs`); with
// `--packages docs` the Python packages that build the pages of docs/, and nothing else.
//
// Each step leaves a stamp inside what it makes, holding a hash of what it was made from: the second run takes a
// fraction of a second, and a step runs again only when its inputs changed or its product was deleted. Python's packages,
// npm's and Debian's are installed side by side.
// Not covered: running anything (`.ci/check.mjs`, `.ci/lab`, `notebooks/run.py`), packaging a release.

import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  accessSync,
  constants,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

import { chosen } from './environments.mjs';

process.chdir(join(dirname(fileURLToPath(import.meta.url)), '..'));

const MINIMUM_NODE = [20, 19];
const { environment, rest } = chosen(process.argv.slice(2));
const venv = environment.folder;
const { extras = ['dev'], panel = true } = environment;
// Debian's packages, and each has a program of its name; what a machine has only the second of must do with that.
const BROWSERS = [['chromium-headless-shell', 'chromium'], ['firefox-esr']];

const running = new Set();

function fail(message) {
  console.error(`setup: ${message}`);
  running.forEach(child => child.kill());
  process.exit(1);
}

// Runs a command, and resolves when it has ended well.
function run(command, args, env = {}) {
  const child = spawn(command, args, {
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, ...env }
  });
  running.add(child);
  return new Promise(resolve => {
    child.on('error', error => fail(`cannot run ${command}: ${error.message}`));
    child.on('exit', (status, signal) => {
      running.delete(child);
      if (status !== 0) {
        fail(`\`${command} ${args.join(' ')}\` failed (exit ${status ?? signal}); its output is above`);
      }
      resolve();
    });
  });
}

function succeeds(command, args) {
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

function onPath(command) {
  return process.env.PATH.split(delimiter).some(folder => {
    try {
      accessSync(join(folder, command), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

// A hash over the names and contents of files and of all that lies in folders.
function hashOf(paths) {
  const hash = createHash('sha256');
  const add = path => {
    hash.update(path).update('\0').update(readFileSync(path)).update('\0');
  };
  for (const path of paths) {
    if (statSync(path).isFile()) {
      add(path);
      continue;
    }
    const entries = readdirSync(path, { recursive: true, withFileTypes: true });
    entries
      .filter(entry => entry.isFile())
      .map(entry => join(entry.parentPath, entry.name))
      .sort()
      .forEach(add);
  }
  return hash.digest('hex');
}

// Runs `make` unless `stamp` says that the product was already made from the same inputs; `always` runs it anyway.
async function step(title, { stamp, inputs, product, make, always = false }) {
  const hash = hashOf(inputs);
  if (!always && existsSync(product) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) {
    return;
  }
  console.log(`setup: ${title}`);
  rmSync(stamp, { force: true });
  await make();
  writeFileSync(stamp, hash);
}

function checkNode() {
  const [major, minor] = process.versions.node.split('.').map(Number);
  if (major < MINIMUM_NODE[0] || (major === MINIMUM_NODE[0] && minor < MINIMUM_NODE[1])) {
    fail(`needs node ${MINIMUM_NODE.join('.')} or newer, this is ${process.versions.node}`);
  }
}

function findPython() {
  const recent = 'import sys; sys.exit(sys.version_info < (3, 11))';
  const pythons = process.env.PYTHON ? [process.env.PYTHON] : environment.pythons;
  const python = pythons.find(candidate => succeeds(candidate, ['-c', recent]));
  if (python === undefined) {
    fail(
      `needs one of ${pythons.join(', ')}, of version 3.11 or newer, on the PATH (on Debian: apt-get install python3 python3-venv)`
    );
  }
  if (!succeeds(python, ['-c', 'import ensurepip, venv'])) {
    fail(
      `${python} cannot make environments: its venv module is missing (on Debian: apt-get install python3-venv)`
    );
  }
  return python;
}

// On all processors, and without the tests of packages. What cannot be compiled is a template, or fails when it is imported.
function compilePython() {
  const options = ['-m', 'compileall', '-qq', '-j', '0', '-x', '/tests?/', `${venv}/lib`];
  return new Promise(resolve => {
    spawn(`${venv}/bin/python`, options, { stdio: 'ignore' }).on('exit', resolve);
  });
}

async function installPython() {
  if (python !== null) {
    await run(python, ['-m', 'venv', '--clear', venv]);
  }
  // The panel is built and linked by steps of their own, which can be repeated without pip; hatchling only wants the
  // folder to be there.
  mkdirSync('py_src/moorage/labextension', { recursive: true });
  const install = (...args) =>
    run(`${venv}/bin/python`, ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', ...args], {
      SKIP_JUPYTER_BUILDER: '1'
    });
  if (environment.lock) {
    // What has to be built is built with what is locked, too; the pip that Python brings along takes twice as long.
    await install('--upgrade', '--constraint', environment.lock, 'pip', 'setuptools');
    // All that is needed is in the file: nothing has to be looked up, and what is compiled below is not compiled here.
    await install('--no-build-isolation', '--no-deps', '--no-compile', '--requirement', environment.lock);
    // Nothing comes from the index here: where pyproject.toml asks for what the lock file has not, this fails.
    console.log(`setup: moorage with what ${environment.lock} has (if that is not enough: npm run lock)`);
    await install('--no-index', '--no-build-isolation', '--editable', `.[${extras}]`);
    await compilePython();
  } else {
    await install('--upgrade', 'pip');
    await install('--upgrade', '--upgrade-strategy', 'eager', '--editable', `.[${extras}]`);
  }
}

const withVenv = { PATH: `${join(process.cwd(), venv, 'bin')}${delimiter}${process.env.PATH}` };

// A link rather than pip's copy, so that JupyterLab sees the next build.
async function linkPanel() {
  const panel = `${venv}/share/jupyter/labextensions/moorage`;
  if (!lstatSync(panel, { throwIfNoEntry: false })?.isSymbolicLink()) {
    await run(`${venv}/bin/jupyter-builder`, ['develop', '--overwrite', '.'], withVenv);
  }
}

// Browser tests run in Debian's browsers: no download at test time, and the same on every machine.
async function provideBrowsers() {
  const lacks = name => !existsSync(`/usr/bin/${name}`);
  const installs = process.getuid?.() === 0 && onPath('apt-get');
  const best = BROWSERS.map(names => names[0]);
  const missing = installs
    ? best.filter(lacks)
    : BROWSERS.filter(names => names.every(lacks)).map(names => names[0]);
  if (missing.length === 0) {
    return;
  }
  if (!installs) {
    console.log(
      `setup: the browser tests need what is missing here; as root: apt-get install ${missing.join(' ')}`
    );
    return;
  }
  console.log(`setup: installing ${missing.join(' and ')} for the browser tests`);
  await run('apt-get', ['update', '-qq']);
  await run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...missing], {
    DEBIAN_FRONTEND: 'noninteractive'
  });
}

checkNode();
if (!onPath('npm')) {
  fail('needs npm on the PATH (on Debian: apt-get install npm)');
}
// The Python to make .venv with; null when there is a working one.
const python =
  existsSync(`${venv}/bin/pip`) && succeeds(`${venv}/bin/python`, ['-c', '']) ? null : findPython();
const installed = step(
  `installing moorage and its Python dependencies into ${venv} (minutes the first time)`,
  {
    stamp: `${venv}/.moorage-setup`,
    inputs: ['pyproject.toml', ...(environment.lock ? [environment.lock] : [])],
    product: `${venv}/bin/jupyter`,
    always: !environment.lock,
    make: installPython
  }
);

async function buildPanel() {
  await step('installing the npm packages (a minute the first time)', {
    stamp: 'node_modules/.moorage-setup',
    inputs: ['package.json', 'package-lock.json'],
    product: 'node_modules/.package-lock.json',
    make: () => run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'])
  });
  await step('building the panel', {
    stamp: 'labextension/lib/.moorage-setup',
    inputs: [
      'package.json',
      'package-lock.json',
      'labextension/tsconfig.json',
      'labextension/src',
      'labextension/style',
      'labextension/schema'
    ],
    product: 'py_src/moorage/labextension/package.json',
    make: async () => {
      await run('npm', ['run', '--silent', 'build:lib']);
      await installed; // JupyterLab's builder is a Python package
      await run('npm', ['run', '--silent', 'build:bundle'], withVenv);
    }
  });
  await installed;
  await linkPanel();
}

await Promise.all([
  installed,
  ...(panel ? [buildPanel()] : []),
  ...(rest.includes('--browser') ? [provideBrowsers()] : [])
]);
