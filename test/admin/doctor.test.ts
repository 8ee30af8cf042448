import assert from 'node:assert/strict';
import { chmod, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { examineFolder, examineStore, type Finding } from '../../src/admin/doctor.ts';
import { rotateSigningKeys } from '../../src/keys/signing-keys.ts';
import { fileOf, openAdministration } from './fixture.ts';
import { acme } from './tokens.ts';

async function openAcme(t: TestContext) {
  const administration = await openAdministration(t);
  await administration.apply(acme);
  await rm(join(administration.config.dataDir, 'generated-secrets.txt'), { force: true });
  return administration;
}

const notOk = (findings: readonly Finding[]): string[] =>
  findings.flatMap(({ state, says }) => (state === 'ok' ? [] : [`${state}: ${says}`]));

test('a sound store in a sound folder has nothing against it', async (t) => {
  const administration = await openAcme(t);
  assert.deepEqual(notOk(await examineFolder(administration.config)), []);
  const findings = await examineStore(administration);
  assert.deepEqual(notOk(findings), []);
  const said = findings.map(({ says }) => says).join('\n');
  for (const alg of ['ES256', 'RS256']) assert.match(said, new RegExp(`${alg} tokens are signed with`));
  assert.match(said, /1 organization, 1 resource, 2 roles, 2 applications, 3 users/);
});

test('a promise that the store lacks is a warning', async (t) => {
  const administration = await openAcme(t);
  const storage = { ...administration.storage, warnings: ['Upserts are lost.'] };
  assert.deepEqual(notOk(await examineStore({ ...administration, storage })), ['warning: Upserts are lost.']);
});

test('a clock that was set back is found', async (t) => {
  const administration = await openAcme(t);
  administration.clock.offset = -3_600_000;
  assert.match(
    notOk(await examineStore(administration)).join(),
    /^wrong: .* 36\d\d s later than that: it was set back/,
  );
});

test('files that others may read, and secrets left lying about, are warned of', async (t) => {
  const administration = await openAcme(t);
  const { dataDir } = administration.config;
  await chmod(join(dataDir, 'master.key'), 0o644);
  await chmod(join(dataDir, 'grantable.db'), 0o640);
  await writeFile(join(dataDir, 'generated-secrets.txt'), 'x');
  await writeFile(join(dataDir, 'quickstart.txt'), 'x');
  const findings = notOk(await examineFolder({ ...administration.config, production: true })).join('\n');
  assert.match(findings, /warning: The file .*master\.key holds the master key, and other users/);
  assert.match(findings, /warning: The file .*grantable\.db holds the store, and other users/);
  assert.match(findings, /warning: .*generated-secrets\.txt holds secrets in the clear/);
  assert.match(findings, /warning: .*quickstart\.txt is there, so this store has the demo/);
});

test('a data folder that is not a folder is an error', async (t) => {
  const administration = await openAcme(t);
  const file = join(administration.config.dataDir, 'file');
  await writeFile(file, '');
  const findings = notOk(await examineFolder({ ...administration.config, dataDir: file }));
  assert.match(findings.join(), /^wrong: The folder .*file cannot be written to \(ENOTDIR\)/);
});

test('a missing or a wrong key is wrong', async (t) => {
  const administration = await openAcme(t);
  const { storage, signingKeys } = administration;
  const [first] = (await storage.keys.list()).filter(({ alg }) => alg === 'ES256');
  const [other] = (await storage.keys.list()).filter(({ alg }) => alg === 'RS256');
  assert.ok(first?.publicJwk && other);
  const { x, y } = first.publicJwk;
  assert.ok(x && y);
  await storage.keys.replace({
    ...first,
    publicJwk: { ...first.publicJwk, x: y, y: x },
  });
  await storage.keys.remove(other.id);
  await signingKeys.refresh();
  const findings = notOk(await examineStore(administration));
  assert.equal(findings.length, 2);
  assert.match(findings[0] ?? '', /^warning: There is no key yet for RS256/);
  assert.match(findings[1] ?? '', /^wrong: .*ES256/);
});

test('an application whose assertions may name the token endpoint is warned of', async (t) => {
  const administration = await openAdministration(t);
  const jwks = { keys: [{ kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' }] };
  const job = { name: 'job', authMethod: 'private_key_jwt', jwks, assertionAudience: 'endpoint' };
  await administration.apply(fileOf({ organizations: [{ name: 'acme', applications: [job] }] }));
  const findings = notOk(await examineStore(administration)).join();
  assert.match(findings, /warning: The application acme\/job has assertionAudience: endpoint/);
});

test('secrets that expired or expire within 14 days are warned of', async (t) => {
  const { applicationSecrets, ...administration } = await openAcme(t);
  const { storage, now } = administration;
  const { items } = await storage.directory.applications.page({ limit: 10 });
  const shop = items.find(({ name }) => name === 'shop');
  assert.ok(shop);
  const day = 86_400_000;
  const start = now();
  for (const [name, days] of [
    ['gone', 1],
    ['soon', 20],
    ['later', 22],
    ['always', undefined],
  ] as const) {
    const expiresAt = days === undefined ? {} : { expiresAt: start + days * day };
    await applicationSecrets.addSecret(shop, { name, ...expiresAt }, { actor: 'test' });
  }
  const examine = async () => notOk(await examineStore({ ...administration, now: () => start + 7 * day }));
  const findings = (await examine()).filter((finding) => finding.includes('secret'));
  const [gone, soon] = [1, 20].map((days) => new Date(start + days * day).toISOString());
  const which = (name: string) => `warning: The secret ${name} of the application acme/shop`;
  assert.deepEqual(findings, [
    `${which('gone')} expired at ${gone}: remove it once no client sends it.`,
    `${which('soon')} expires at ${soon}: add another one and give it to the clients.`,
  ]);
});

test('nouns that name what is gone, or are enabled but dead, are warned of', async (t) => {
  const administration = await openAcme(t);
  const { storage, registry, now } = administration;
  const [resource] = (await storage.directory.resources.page({ limit: 1 })).items;
  const [ann] = (await storage.directory.users.page({ limit: 1 })).items;
  assert.ok(resource && ann);
  await storage.directory.resources.remove(resource.id, resource.version);
  await registry.markAboveLogins(ann.id, { revokedAt: now() });
  const findings = notOk(await examineStore(administration));
  assert.ok(findings.every((finding) => finding.startsWith('warning: Of ')));
  assert.match(
    findings.join('\n'),
    /Of applications, shop names a resource that its organization does not have/,
  );
  assert.match(findings.join('\n'), /Of roles, clerk names a resource/);
  assert.match(findings.join('\n'), /Of users, ann is enabled, but what it is given is dead/);
});

test('update or delete without read, and mail addresses in tokens, are warned of', async (t) => {
  const administration = await openAdministration(t);
  const identifier = 'urn:acme:db';
  const columns = [{ name: 'mail', type: 'text' }];
  const mine = { rows: { mail: [{ $user: 'email' }] } };
  const application = (name: string, rest: object) => ({
    name,
    clientSecret: `s3cret-of-32-or-more-characters-${name}`,
    resource: identifier,
    permissions: { tables: { orders: { read: true, update: true, delete: true } } },
    ...rest,
  });
  await administration.apply(
    fileOf({
      organizations: [
        {
          name: 'acme',
          resources: [
            {
              identifier,
              tables: ['orders', 'notes', 'mails', 'bills'].map((id) => ({ id, columns })),
              groups: [{ id: 'sales', tables: ['orders'] }],
            },
          ],
          roles: [
            { name: 'fine', permissions: { tables: { '@sales': { read: true }, orders: { update: mine } } } },
            { name: 'all', permissions: { tables: { '*': { update: true } } } },
            { name: 'off', enabled: false, permissions: { tables: { '*': { update: true } } } },
            {
              name: 'odd',
              permissions: {
                tables: {
                  orders: { update: true, delete: true },
                  notes: { delete: mine },
                  mails: { update: true },
                  bills: { update: true },
                },
              },
            },
          ],
          applications: [
            application('shop', {}),
            application('app', { scopes: ['openid', 'email'] }),
            application('other', {
              permissions: {
                tables: { bills: { read: mine }, notes: { update: true }, mails: { read: true } },
              },
            }),
          ],
        },
      ],
    }),
  );
  const warnings = notOk(await examineStore(administration));
  const email =
    'has limits with {"$user": "email"}: tokens show the mail address of the user to the application';
  assert.deepEqual(
    warnings.filter((said) => !said.includes('secret')),
    [
      'warning: The role acme/all allows update of * without read.',
      'warning: The role acme/odd allows update of bills, update of mails, update and delete of orders and 1 more without read.',
      `warning: The ceiling of the application acme/other for ${identifier} allows update of notes without read.`,
      `warning: The role acme/fine ${email} acme/shop, which does not have the scope email.`,
      `warning: The ceiling of the application acme/other for ${identifier} ${email} acme/other, which does not have the scope email.`,
    ],
  );
});

test('settings that a neighbour cannot work with are warned of', async (t) => {
  const administration = await openAdministration(t);
  const identifier = 'urn:acme:db';
  const examine = async (token: object) => {
    const resources = [{ identifier, token }];
    await administration.apply(fileOf({ organizations: [{ name: 'acme', resources }] }));
    return examineStore(administration);
  };
  for (const preset of ['postgrest', 'supabase', 'hasura', 'neon']) {
    const findings = await examine({ preset });
    assert.deepEqual(notOk(findings), []);
    assert.match(findings.at(-1)?.says ?? '', new RegExp(`urn:acme:db gives ${preset} what it needs`));
    const leads = preset === 'supabase' || preset === 'neon';
    assert.equal(/: rotate keys with keys rotate --lead 45m\.$/.test(findings.at(-1)?.says ?? ''), leads);
  }
  const other = { format: 'opaque', overflow: 'reference', ttl: 3600, alg: 'PS256', claimMap: { team: 'x' } };
  const found = notOk(await examine({ preset: 'hasura', ...other })).filter((each) => /preset/.test(each));
  const expected = [
    /hasura, which reads JWTs only: set token\.format to jwt\.$/,
    /which cannot read the opaque token that overflow gives: set token\.overflow to refuse\.$/,
    /and its tokens live 3600 s: set token\.ttl to 300 at most\.$/,
    /which does not verify PS256: set token\.alg to ES256 or RS256 or EdDSA\.$/,
    /needs the claim https:\/\/hasura\.io\/jwt\/claims x-hasura-allowed-roles: add it to token\.claimMap\.$/,
    /needs the claim https:\/\/hasura\.io\/jwt\/claims x-hasura-default-role: add it/,
  ];
  assert.equal(found.length, expected.length, found.join('\n'));
  for (const [index, pattern] of expected.entries()) assert.match(found[index] ?? '', pattern);
});

test('a default role that Hasura would refuse is warned of', async (t) => {
  const administration = await openAdministration(t);
  const warnings = async (allowed: unknown, byDefault: unknown) => {
    const claims = { 'x-hasura-allowed-roles': allowed, 'x-hasura-default-role': byDefault };
    const token = { preset: 'hasura', claimMap: { 'https://hasura.io/jwt/claims': claims } };
    const resources = [{ identifier: 'urn:acme:db', token }];
    await administration.apply(fileOf({ organizations: [{ name: 'acme', resources }] }));
    return notOk(await examineStore(administration));
  };
  const roles = { $user: 'roles' };
  const some = { someOf: ['editor', 'user'], from: roles, default: ['user'] };
  assert.deepEqual(await warnings(some, { oneOf: ['user', 'editor'], from: roles, default: 'user' }), []);
  assert.deepEqual(await warnings(['user'], 'user'), []);
  const [odd = ''] = await warnings(some, { oneOf: ['user', 'boss'], from: roles, default: 'user' });
  assert.match(odd, /refuses the role boss as default: list it in x-hasura-allowed-roles too\.$/);
});

test('a key that signs before a neighbour knows it is warned of', async (t) => {
  const administration = await openAdministration(t);
  const { storage, vault, now, signingKeys, clock, longestLifetime } = administration;
  const rotate = async (lead?: number) => {
    await rotateSigningKeys(
      { keys: storage.keys, vault, now },
      { immediately: false, longestLifetime, ...(lead !== undefined && { lead }) },
    );
    await signingKeys.refresh();
    return notOk(await examineStore(administration));
  };
  const resources = [{ identifier: 'urn:acme:db', token: { preset: 'supabase' } }];
  await administration.apply(fileOf({ organizations: [{ name: 'acme', resources }] }));
  await administration.followSigningAlgs();
  assert.deepEqual(notOk(await examineStore(administration)), [], 'the first keys of a server');
  clock.offset += 3_600_000;
  assert.deepEqual(await rotate(2_700), []);
  clock.offset += 3_600_000;
  const [warned = '', ...others] = await rotate();
  assert.match(
    warned,
    /^warning: .*urn:acme:db has the preset supabase, which may refuse tokens of the key .* --lead 45m\.$/,
  );
  assert.deepEqual(others, []);
  clock.offset += 1_800_000;
  assert.deepEqual(notOk(await examineStore(administration)), []);
});
