/** Claims for neighbours in apply files: what is wrong with them and where, what presets set, and what reports say. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseApplyFile } from '../../src/apply/file.ts';
import { ApplyFileError } from '../../src/apply/file-error.ts';
import { formatReport } from '../../src/apply/report.ts';
import { writeApplyFile } from '../../src/apply/write-file.ts';
import { fileOf, openAdministration } from '../admin/fixture.ts';

const IDENTIFIER = 'urn:acme:db';

/** A file whose claims stand in line 6. */
function fileWith(claims: string): string {
  return `organizations:
- name: acme
  resources:
  - identifier: ${IDENTIFIER}
    token:
      claimMap: ${claims}
`;
}

/** `line:column message` each. */
function problemsOf(text: string): string[] {
  try {
    parseApplyFile(text, 'acme.yaml');
    return [];
  } catch (error) {
    assert.ok(error instanceof ApplyFileError, String(error));
    return error.lines.map((line) => line.replace(/^acme\.yaml:/, ''));
  }
}

const REGISTERED =
  'iss sub aud exp nbf iat jti active scope client_id username token_type auth_time acr amr groups roles entitlements act ' +
  'may_act cnf authorization_details azp nonce sid permissions org app anc as_of constructor Sub SCOPE';

const many = (count: number, make: (index: number) => string): string =>
  Array.from({ length: count }, (_, index) => make(index)).join(', ');

const MISTAKES: readonly [claims: string, problem: string | RegExp][] = [
  ...REGISTERED.split(' ').map((name): [string, string] => [
    `{ ${name}: x }`,
    `6:19 ${name} is a claim that tokens have already`,
  ]),
  ['{ "two words": x }', '6:19 two words is not the name of a claim'],
  ['{ team: { $usr: id } }', /^6:25 team has the unknown variable "\$usr" \(did you mean \$user\?\)/],
  ['{ team: { $user: attributes.Team } }', /^6:34 \$user must be id, email, roles or attributes/],
  ['{ team: { $user: username } }', /^6:34 \$user must be id/],
  ['{ team: { $application: secret } }', '6:41 $application must be id, name or clientId'],
  ['{ team: { $organization: hosts } }', '6:42 $organization must be id or name'],
  ['{ team: { $user: id, $account: id } }', '6:25 team is a variable, which has one member'],
  ['{ team: { $user: id, name: x } }', '6:25 team is a variable, which has one member'],
  ['{ team: {} }', '6:25 team is empty'],
  ['{ team: [] }', '6:25 team is empty'],
  ['{ team: [[x]] }', '6:26 team[0] is a list in a list'],
  ['{ team: { a: { b: x } } }', '6:30 a is a group within a group'],
  ['{ team: [{ a: x }] }', '6:26 team[0] is a group within a list'],
  ['{ team: "" }', '6:25 team is empty'],
  ['{ team: { oneOf: [a], frm: { $user: id } } }', '6:44 frm is an unknown key (did you mean from?)'],
  ['{ team: { oneOf: [a] } }', '6:25 team needs from or default'],
  ['{ team: { oneOf: [], default: a } }', '6:34 oneOf is empty'],
  ['{ team: { oneOf: [a, a], default: a } }', '6:38 oneOf[1] is there twice'],
  ['{ team: { oneOf: [a], default: b } }', '6:48 default is not in the list beside it'],
  ['{ team: { oneOf: [a], someOf: [a], default: a } }', '6:25 team has both oneOf and someOf'],
  ['{ team: { someOf: [a], default: a } }', '6:49 default must be a list'],
  ['{ team: { oneOf: [a], from: x } }', '6:45 from must be a variable, such as { $user: roles }'],
  ['{ team: { oneOf: [1], default: a } }', '6:35 oneOf[0] must be text: write it in quotes'],
  ['{ team: [{ oneOf: [a], default: a }] }', '6:26 team[0] is a choice in a list: write someOf'],
  ['{ role: { $user: attributes.role } }', /^6:25 role names roles, which must come from a list/],
  ['{ role: true }', '6:25 role must be text: write it in quotes'],
  [
    '{ role: service_role }',
    /^6:25 role is service_role, which may open the whole database\. If you mean that/,
  ],
  ['{ x: { x-hasura-default-role: admin } }', /^6:47 x-hasura-default-role is admin/],
  ['{ x: { x-hasura-allowed-roles: [user, admin] } }', /^6:55 x-hasura-allowed-roles\[1\] is admin/],
  ['{ x: { x-hasura-allowed-roles: [{ $user: roles }] } }', /^6:49 x-hasura-allowed-roles\[0\] names roles/],
  ['{ role: { oneOf: [web, postgres], from: { $user: roles } } }', /^6:40 oneOf\[1\] is postgres.*accept:/],
  ['{ role: { oneOf: [pg_read_all_data], default: pg_read_all_data } }', /^6:35 oneOf\[0\] is pg_read/],
  [
    '{ role: { oneOf: [admin, service_role], from: { $user: roles }, accept: [admin] } }',
    /^6:42 oneOf\[1\] is service_role.*write accept: \[service_role\] beside oneOf/,
  ],
  [
    '{ role: { oneOf: [web], from: { $user: roles }, accept: [admin] } }',
    '6:74 accept[0] is not in the list beside it',
  ],
  [`{ ${many(21, (index) => `c${index}: x`)} }`, '6:17 claimMap has more than 20 claims'],
  [`{ big: [${many(100, (index) => `"${'y'.repeat(80)}${index}"`)}] }`, '6:17 claimMap is larger than 4 KB'],
];

describe('JW-11 mistakes in claims are told with their lines', () => {
  for (const [claims, problem] of MISTAKES) {
    test(claims.length > 60 ? `${claims.slice(0, 57)}...` : claims, () => {
      const [found = '', ...others] = problemsOf(fileWith(claims));
      if (typeof problem === 'string') assert.equal(found, problem);
      else assert.match(found, problem);
      assert.deepEqual(others, []);
    });
  }
});

test('claims that are right are taken, URIs and accepted roles too', () => {
  for (const claims of [
    '{ role: web_user, plan: gold, level: 3, beta: true, teams: [a, { $user: attributes.team }] }',
    '{ role: { oneOf: [web, service_role], from: { $user: roles }, default: web, accept: [service_role] } }',
    '{ "https://acme.example/who#x": { user: { $user: id }, column: { $account: branch } } }',
    '{ tenant: { $organization: name }, by: { $application: clientId }, team: { $user: roles } }',
    '{ https://hasura.io/jwt/claims: { x-hasura-allowed-roles: { someOf: [a, b], from: { $user: roles }, default: [a] } } }',
  ]) {
    assert.deepEqual(problemsOf(fileWith(claims)), [], claims);
  }
});

const withToken = (token: object) =>
  fileOf({ organizations: [{ name: 'acme', resources: [{ identifier: IDENTIFIER, token }] }] });

describe('presets', () => {
  test('each sets its settings, and what stands beside it wins', async (t) => {
    const administration = await openAdministration(t);
    const { directory } = administration.storage;
    const stored = async () => (await directory.resources.findBy('identifier', IDENTIFIER))?.token;

    await administration.apply(withToken({ format: 'opaque', ttl: 3600, alg: 'RS256' }));
    const report = await administration.apply(withToken({ preset: 'supabase', ttl: 600 }));
    assert.deepEqual(
      formatReport(report).filter((line) => line.startsWith('  ')),
      [
        '    token.preset: none -> supabase',
        '    token.format: opaque -> jwt',
        '    token.ttl: 3600 -> 600',
        '    token.alg: RS256 -> ES256',
        '    token.overflow: reference -> refuse',
        '    token.claimMap.role: authenticated',
        '    token.claimMap.user_id: {"$user":"id"}',
      ],
    );
    assert.equal((await stored())?.preset, 'supabase');

    const again = await administration.apply(withToken({ preset: 'supabase', ttl: 600 }));
    assert.deepEqual(again.changes, []);

    await administration.apply(withToken({ preset: 'supabase', claimMap: { role: 'web' } }));
    assert.equal((await stored())?.ttl, 300);
    assert.deepEqual((await stored())?.claimMap, [{ claim: 'role', value: '"web"' }]);

    await administration.apply(withToken({ preset: 'none', claimMap: {} }));
    assert.equal((await stored())?.preset, undefined);
    assert.equal((await stored())?.claimMap, undefined);
    assert.equal((await stored())?.overflow, 'refuse');
  });

  test('the report says what a preset sets for a new resource', async (t) => {
    const administration = await openAdministration(t);
    const report = await administration.apply(withToken({ preset: 'hasura', ttl: 60 }));
    assert.deepEqual(formatReport(report).slice(1, 6), [
      `+ resource ${IDENTIFIER}`,
      '    token.format: jwt',
      '    token.ttl: 60',
      '    token.alg: ES256',
      '    token.overflow: refuse',
    ]);
    assert.match(formatReport(report).join('\n'), / {4}token\.claimMap\.https:\/\/hasura\.io.*allowed-roles/);
  });

  test('a preset is written back with what differs from it', async (t) => {
    const administration = await openAdministration(t);
    const { directory } = administration.storage;
    const team = { team: { $user: 'attributes.team' } };
    for (const preset of ['postgrest', 'supabase', 'hasura', 'neon']) {
      for (const rest of [{}, { claimMap: {} }, { claimMap: team }, { overflow: 'reference', ttl: 600 }]) {
        await administration.apply(withToken({ preset, ...rest }));
        const organization = await directory.organizations.findBy('name', 'acme');
        assert.ok(organization);
        const text = await writeApplyFile(organization, directory, { accessTokenTtl: 600 });
        assert.match(text, new RegExp(`preset: ${preset}`));
        const { changes } = await administration.apply(parseApplyFile(text, 'written'));
        assert.deepEqual(changes, [], text);
      }
    }
  });
});
