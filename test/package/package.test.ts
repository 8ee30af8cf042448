/** What is published, as `npm pack` makes it, and as a program sees it that has the package's own dependencies only. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join, resolve } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';

const ROOT = resolve(import.meta.dirname, '../..');
const TSC = join(ROOT, 'node_modules/.bin/tsc');
/** What many programs that use the package have. */
const OLDER = '5.9.3';
const run = promisify(execFile);

interface Lock {
  readonly packages: Readonly<
    Record<string, { readonly dev?: boolean; readonly dependencies?: Readonly<Record<string, string>> }>
  >;
}

const { packages }: Lock = JSON.parse(await readFile(join(ROOT, 'package-lock.json'), 'utf8'));

/** Folders of the packages that are installed with ours, without those below another. */
const OWN = Object.entries(packages).flatMap(([path, { dev }]) =>
  path !== '' && !dev && path.split('node_modules/').length === 2 ? [path] : [],
);

/** What a program installs itself, for the binding of the name. */
const FRAMEWORKS: Readonly<Record<string, string>> = {
  fastify: 'fastify',
  hono: 'hono',
  mcp: '@modelcontextprotocol/server',
};

/** Folders of the packages of these names and of all that they need. */
function withDependencies(names: readonly string[], found = new Set<string>()): Set<string> {
  for (const name of names) {
    const path = `node_modules/${name}`;
    if (found.has(path)) continue;
    found.add(path);
    withDependencies(Object.keys(packages[path]?.dependencies ?? {}), found);
  }
  return found;
}

describe('the package', () => {
  let folder: string;
  /** A program's folder, with ours installed. */
  let consumer: string;
  let installed: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'grantable-package-'));
    const tree = join(folder, 'tree');
    await mkdir(tree);
    const { files } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
    for (const name of ['package.json', 'README.md', 'LICENSE', ...files]) {
      if (name !== 'dist') await cp(join(ROOT, name), join(tree, name), { recursive: true });
    }
    await run('npm', ['run', '--silent', 'build'], {
      cwd: ROOT,
      env: { ...process.env, DIST: join(tree, 'dist') },
    });
    await run('npm', ['pack', '--silent', '--pack-destination', folder], { cwd: tree });
    const [tarball = ''] = (await readdir(folder)).filter((name) => name.endsWith('.tgz'));
    await run('tar', ['xzf', tarball], { cwd: folder });
    consumer = join(folder, 'consumer');
    installed = join(consumer, 'node_modules', 'grantable');
    await mkdir(dirname(installed), { recursive: true });
    await cp(join(folder, 'package'), installed, { recursive: true });
    await link(OWN);
    await writeFile(join(consumer, 'package.json'), '{"type":"module"}');
  });
  after(() => rm(folder, { recursive: true, force: true }));

  async function link(paths: Iterable<string>): Promise<void> {
    for (const path of paths) {
      if (!existsSync(join(ROOT, path)) || existsSync(join(consumer, path))) continue;
      await mkdir(dirname(join(consumer, path)), { recursive: true });
      await symlink(join(ROOT, path), join(consumer, path));
    }
  }

  /** @returns what the compiler says of a program that imports these parts of the package */
  async function compile(
    parts: readonly string[],
    compiler: readonly [string, ...string[]] = [TSC],
  ): Promise<string> {
    const imports = parts.map((name, index) => `export * as part${index} from '${join('grantable', name)}';`);
    await writeFile(join(consumer, 'all.ts'), imports.join('\n'));
    const options = ['--strict', '--target', 'es2024', '--module', 'nodenext', '--types', 'node'];
    const checks = ['--noEmit', '--skipLibCheck', 'false', '--preserveSymlinks'];
    const [program, ...first] = compiler;
    const { stdout } = await run(program, [...first, ...options, ...checks, 'all.ts'], {
      cwd: consumer,
    }).catch((error: { stdout: string }) => error);
    return stdout;
  }

  test('its declarations compile with its own dependencies', async () => {
    const { exports } = JSON.parse(await readFile(join(installed, 'package.json'), 'utf8'));
    const isBinding = (name: string) => Object.hasOwn(FRAMEWORKS, basename(name));
    assert.equal(await compile(Object.keys(exports).filter((name) => !isBinding(name))), '');
    await link(withDependencies(Object.values(FRAMEWORKS)));
    assert.equal(await compile(Object.keys(exports).filter(isBinding)), '');
  });

  // npx brings the compiler, and not every machine reaches a registry.
  const isLong = process.env.GRANTABLE_TEST_LONG !== undefined;
  test(`they compile with TypeScript ${OLDER} too`, {
    skip: !isLong && 'GRANTABLE_TEST_LONG is not set',
  }, async () => {
    const npx = ['npx', '--yes', `--package=typescript@${OLDER}`, '--', 'tsc'] as const;
    await link(withDependencies(Object.values(FRAMEWORKS)));
    assert.equal(await compile(['./client', './admin', './resource-server'], npx), '');
  });

  test('it has the files of the page of the administration API', async () => {
    const files = await readdir(join(installed, 'dist/src/admin/openapi/swagger-ui'));
    assert.deepEqual(files.sort(), ['LICENSE', 'NOTICE', 'swagger-ui-bundle.js', 'swagger-ui.css']);
  });

  test('it starts, and its help names a page that is in it', async () => {
    const { stdout } = await run(process.execPath, [join(installed, 'dist/src/main.js'), 'help']);
    const page = /(\S+configuration\.md)\./.exec(stdout)?.[1] ?? '';
    assert.ok(page.startsWith(installed) && existsSync(page), stdout);
    const { stdout: apply } = await run(process.execPath, [
      join(installed, 'dist/src/main.js'),
      'help',
      'apply',
    ]);
    assert.ok(apply.includes(page), apply);
  });

  test('it has the list of common passwords', async () => {
    const { checkNewPassword } = await import(join(installed, 'dist/src/accounts/passwords.js'));
    checkNewPassword('correct-horse-battery', { minLength: 8 });
    assert.throws(() => checkNewPassword('passw0rd', { minLength: 8 }), /too common/);
  });

  test('relative links of its pages lead to files that are in it', async () => {
    const pages = (await readdir(installed, { recursive: true })).filter(
      (name) => name.endsWith('.md') && !name.includes('node_modules'),
    );
    assert.ok(pages.includes('README.md') && pages.includes('docs/configuration.md'));
    for (const page of pages) {
      const text = await readFile(join(installed, page), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\((?!https?:|#|mailto:)([^)#\s]+)/g)) {
        assert.ok(existsSync(resolve(installed, dirname(page), target)), `${page} links to ${target}`);
      }
    }
  });

  test('it says where it comes from', async () => {
    const { repository, homepage, bugs, keywords } = JSON.parse(
      await readFile(join(installed, 'package.json'), 'utf8'),
    );
    assert.match(repository.url, /^git\+https:.*\.git$/);
    for (const url of [homepage, bugs]) assert.ok(URL.canParse(url), url);
    assert.ok(keywords.length > 0);
  });
});
