import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { test } from 'node:test';

const SRC = resolve(import.meta.dirname, '../../src');
const FACES = join(SRC, 'faces');
const IMPORT = /\b(?:import|export)\b[^;'"]*?\bfrom\s*['"]([^'"]+)['"]|\bimport\s*\(?\s*['"]([^'"]+)['"]/g;

/** What a face runs beside its own code: words and rules that check no password, make no token, touch no store. */
const MAY_RUN = [
  /^src\/faces\//,
  /^src\/errors\/(?:domain|reason|texts)\.ts$/,
  /^src\/http\/(?:errors|refusal)\.ts$/,
  /^src\/clients\/(?:bearer|client-notes)\.ts$/,
  /^src\/(?:nouns|permissions)\//,
  /^src\/provider\/paths\.ts$/,
  /^src\/accounts\/account-mails\.ts$/,
  /^src\/changes\/(?:applications|author)\.ts$/,
  /^src\/directory\/(?:registered-applications|subjects|users)\.ts$/,
  /^src\/rights\/(?:power|rights)\.ts$/,
  // Names of grants and of kinds of tokens.
  /^src\/tokens\/(?:expiry|grants\/(?:act-for-user|connect|database-user|derived-login|token-exchange))\.ts$/,
  /^src\/storage\/defined\.ts$/,
  // Names of nodes.
  /^src\/registry\/nodes\.ts$/,
  /^(?:koa-compose|lru-cache|path-to-regexp|zod)$/,
];
/** Of those, what may be taken: of grants only their names, of others what says something of a noun. */
const FUNCTIONS_OF_OTHERS = new Map([
  ['src/accounts/account-mails.ts', ['AccountGone', 'requireMails']],
  ['src/changes/applications.ts', ['displayNameOf']],
  ['src/clients/bearer.ts', ['readBearer']],
  ['src/directory/users.ts', ['findRegistrant', 'isActive']],
  ['src/tokens/grants/act-for-user.ts', ['ACT_FOR_USER']],
  ['src/tokens/grants/connect.ts', ['CONNECT']],
  ['src/tokens/grants/database-user.ts', ['DATABASE_USER']],
  ['src/tokens/grants/derived-login.ts', ['DERIVED_LOGIN']],
  ['src/tokens/expiry.ts', ['LONGEST_TOKEN']],
  ['src/tokens/grants/token-exchange.ts', ['TOKEN_EXCHANGE']],
  ['src/registry/nodes.ts', ['issuedNode']],
  ['src/nouns/index.ts', ['catalogueOf', 'isNounId', 'isRegistered', 'usesSecret']],
]);
/** What no code of a face knows even the shape of. */
const UNKNOWN_TO_FACES = [
  /^src\/storage\/(?!contract\.ts$|defined\.ts$|refusals\.ts$)/,
  /^src\/registry\/(?!nodes\.ts$|refresh-jwt\.ts$)/,
  /^src\/provider\/(?!paths\.ts$)/,
  /^src\/accounts\/(?:passwords|hash-queue)\.ts$/,
  /^src\/directory\/client-secrets\.ts$/,
  /^src\/datasources\//,
  /^adapters\//,
  /^src\/[^/]+\.ts$/,
];

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(folder, name));
}

/** Each import with the names that it takes. */
function importsOf(file: string, code: string): { target: string; names: string[] }[] {
  return [...code.matchAll(IMPORT)].map(([statement, from, plain]) => {
    const target = String(from ?? plain);
    const listed = /\{([^}]*)\}/.exec(statement)?.[1] ?? '';
    const names = listed.split(',').map((name) => name.trim().split(/\s+as\s+/)[0] ?? '');
    return {
      target: target.startsWith('.') ? relative(dirname(SRC), resolve(dirname(file), target)) : target,
      names: names.filter((name) => name !== ''),
    };
  });
}

/** What is wrong with it, if anything is. */
function findWrong(file: string, source: string): string[] {
  const runs = importsOf(file, stripTypeScriptTypes(source));
  return [
    ...runs.flatMap(({ target, names }) => {
      if (!MAY_RUN.some((pattern) => pattern.test(target))) return [`runs ${target}`];
      const allowed = FUNCTIONS_OF_OTHERS.get(target);
      return allowed ? names.filter((name) => !allowed.includes(name)).map((name) => `runs ${name}`) : [];
    }),
    ...importsOf(file, source).flatMap(({ target }) =>
      UNKNOWN_TO_FACES.some((pattern) => pattern.test(target)) ? [`knows ${target}`] : [],
    ),
  ];
}

test('the code of a face checks no password, makes no token and reads no store', async (t) => {
  const names = readdirSync(FACES, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);
  assert.deepEqual(names.sort(), ['api-maker', 'devicehive', 'fusio', 'sunbreak', 'usergrid']);
  for (const name of names) {
    await t.test(`${name} runs nothing of the kind`, (sub) => {
      const files = filesOf(join(FACES, name));
      let lines = 0;
      for (const file of files) {
        const source = readFileSync(file, 'utf8');
        lines += source.split('\n').length - 1;
        assert.deepEqual(findWrong(file, source), [], relative(SRC, file));
      }
      sub.diagnostic(`src/faces/${name}: ${files.length} files, ${lines} lines`);
    });
  }
  await t.test('nor does what they share', () => {
    for (const name of readdirSync(FACES).filter((each) => each.endsWith('.ts'))) {
      const file = join(FACES, name);
      assert.deepEqual(findWrong(file, readFileSync(file, 'utf8')), [], name);
    }
  });
  await t.test('and the check sees what it looks for', () => {
    const file = join(FACES, 'x', 'y.ts');
    for (const code of [
      `import { openVault } from '../../storage/vault.ts'; openVault();`,
      `const bcrypt = await import('bcrypt');`,
      `import { createHmac } from 'node:crypto'; createHmac('a', 'b');`,
      `import { createApplications } from '../../changes/applications.ts'; createApplications();`,
      `import { createConnectGrant } from '../../tokens/grants/connect.ts'; createConnectGrant();`,
      `import type { Passwords } from '../../accounts/passwords.ts'; let a: Passwords;`,
      `import { createServer } from '../../server.ts'; createServer();`,
    ]) {
      assert.notDeepEqual(findWrong(file, code), [], code);
    }
    assert.deepEqual(
      findWrong(file, `import { CONNECT } from '../../tokens/grants/connect.ts'; CONNECT;`),
      [],
    );
  });
});
