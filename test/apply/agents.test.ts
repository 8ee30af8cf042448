/** What an apply file says of agents, and what files leave alone: the agents themselves. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { examineStore } from '../../src/admin/doctor.ts';
import { parseApplyFile } from '../../src/apply/file.ts';
import { ApplyFileError } from '../../src/apply/file-error.ts';
import { writeApplyFile } from '../../src/apply/write-file.ts';
import { fileOf, openAdministration, refusal } from '../admin/fixture.ts';
import { addAgent } from '../support/agents.ts';

const API = 'https://api.acme.example/';
const ORDERS = { tables: { orders: { read: true } } };

const TEMPLATE = {
  name: 'agents',
  clientId: 'agents',
  authMethod: 'none',
  grants: ['authorization_code', 'refresh_token'],
  resource: API,
  permissions: { tables: { orders: { read: true, update: true } } },
  default: ORDERS,
};

interface Changed {
  readonly agents?: object;
  readonly template?: object;
  readonly applications?: readonly object[];
}

const withAgents = ({ agents = {}, template = {}, applications = [] }: Changed = {}) => ({
  organizations: [
    {
      name: 'acme',
      resources: [{ identifier: API, tables: [{ id: 'orders' }, { id: 'staff' }] }],
      applications: [{ ...TEMPLATE, ...template }, ...applications],
      agents: { policy: 'any', application: 'agents', ...agents },
    },
  ],
});

async function open(t: TestContext) {
  const administration = await openAdministration(t);
  return {
    ...administration,
    refused: (changed: Changed) => refusal(administration.apply(fileOf(withAgents(changed)))),
  };
}

test('agents come through an application that can ask people', async (t) => {
  const { refused, apply } = await open(t);
  for (const [changed, expected] of [
    [{ template: { grants: ['refresh_token'] } }, /needs the grant authorization_code/],
    [{ agents: { policy: 'hosts' } }, /lets agents of some hosts ask, and names none/],
    [{ agents: { policy: 'hosts', hosts: [] } }, /lets agents of some hosts ask, and names none/],
    [{ agents: { application: 'nothing' } }, /agents are for the application nothing, which is not there/],
  ] as const) {
    const problems = await refused(changed);
    assert.equal(problems.length, 1, problems.join('\n'));
    assert.match(problems[0] ?? '', expected);
  }
  assert.deepEqual((await apply(fileOf(withAgents()))).notes, []);
});

test('agents never come through one of themselves', async (t) => {
  const administration = await openAdministration(t);
  await administration.apply(fileOf(withAgents()));
  const agent = await addAgent(
    { server: { foundations: administration } },
    { clientId: 'dcr-1', through: 'agents' },
  );
  const organization = await administration.store.organizations.get(agent.organization);
  assert.ok(organization?.agents);
  const agents = { ...organization.agents, application: agent.id };
  await administration.changes.organizations.replace({ ...organization, agents }, { actor: 'test' });
  const problems = await refusal(administration.apply(fileOf({ organizations: [{ name: 'acme' }] })));
  assert.match(problems.join(), /must be an application that an operator made/);
});

test('the default is for the own resource, and within the own permissions', async (t) => {
  const { refused, apply } = await open(t);
  const { resource: _, ...rest } = TEMPLATE;
  const without = { organizations: [{ ...withAgents().organizations[0], applications: [rest] }] };
  assert.match((await refusal(apply(fileOf(without)))).join(), /has a default and no resource/);
  const more = await refused({ template: { default: { tables: { staff: { read: true } } } } });
  assert.deepEqual(more, [
    `application acme/agents has a default with more than its permissions for ${API} allow`,
  ]);
  const everything = await refused({ template: { default: { isAdmin: true } } });
  assert.match(everything.join(), /has a default with more than its permissions/);
  await apply(fileOf(withAgents()));
  const narrower = { name: 'agents', permissions: { tables: { orders: { update: true } } } };
  const later = { organizations: [{ name: 'acme', applications: [narrower] }] };
  assert.match((await refusal(apply(fileOf(later)))).join(), /has a default with more than its permissions/);
});

test('a default fits the catalogue, and the file says where it does not', () => {
  const wrong = withAgents({ template: { default: { tables: { oders: { read: true } } } } });
  try {
    parseApplyFile(JSON.stringify(wrong, null, 1), 'acme.json');
    assert.fail('it was not refused');
  } catch (error) {
    assert.ok(error instanceof ApplyFileError, String(error));
    assert.match(error.lines.join(), /oders is not a table of .*did you mean orders/);
  }
});

test('settings for agents that an operator may not have meant are told', async (t) => {
  const administration = await open(t);
  const { default: _, ...rest } = {
    ...TEMPLATE,
    firstParty: true,
    redirectUris: ['https://acme.example/back'],
  };
  const file = { organizations: [{ ...withAgents().organizations[0], applications: [rest] }] };
  const { notes } = await administration.apply(fileOf(file));
  const expected = [/which has no default/, /which is firstParty\. That does not hold for agents/];
  const warnings = (await examineStore(administration)).filter(({ state }) => state === 'warning');
  for (const said of [notes, warnings.map(({ says }) => says)]) {
    for (const sentence of expected) assert.match(said.join('\n'), sentence);
  }
});

test('a file leaves agents alone: it neither has, changes nor prunes them', async (t) => {
  const administration = await openAdministration(t);
  const { apply, store } = administration;
  await apply(fileOf(withAgents()));
  const agent = await addAgent(
    { server: { foundations: administration } },
    { clientId: 'https://agent.example/client.json', through: 'agents' },
  );
  const organization = await store.organizations.findBy('name', 'acme');
  assert.ok(organization);
  const text = await writeApplyFile(organization, store, {
    accessTokenTtl: administration.config.ttl.accessToken,
  });
  assert.doesNotMatch(text, /agent\.example/);
  assert.match(text, /policy: any/);
  await apply(fileOf(withAgents()), { prune: true });
  assert.ok(await store.applications.get(agent.id));
  const named = { organizations: [{ name: 'acme', applications: [{ name: agent.name, redirectUris: [] }] }] };
  await assert.rejects(async () => apply(fileOf(named)));
  const { organizations } = withAgents({ applications: [{ name: 'other', clientId: 'other' }] });
  const without = {
    organizations: [{ ...organizations[0], applications: [{ name: 'other', clientId: 'other' }] }],
  };
  const { agents: _, ...nothing } = without.organizations[0] as any;
  const problems = await refusal(apply(fileOf({ organizations: [nothing] }), { prune: true }));
  assert.match(problems.join(), /cannot be removed, because it is needed by .*application acme\/agent/);
});
