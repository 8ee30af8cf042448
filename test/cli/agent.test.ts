import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { after, before, describe, test } from 'node:test';
import { startAdmin, type TestAdmin } from '../admin/api/support.ts';
import { addAgent } from '../support/agents.ts';
import { type Outcome, runBeside } from './run.ts';

const CLIENT_ID = 'https://agent.example/client.json';
const REGISTERED = '3f1c2a52-7d64-4f3e-9d3e-0f6f4d1f2a10';

const parse = ({ out }: Outcome): any => JSON.parse(out);

let admin: TestAdmin;
before(async () => {
  admin = await startAdmin();
});
after(() => admin[Symbol.asyncDispose]());

type Io = Parameters<typeof runBeside>[2];

/** On the store of the server, and by the server. */
const WAYS = {
  'on the store': (args: readonly string[], io?: Io) => runBeside(admin.server, args, io),
  'by a server': (args: readonly string[], io?: Io) =>
    runBeside(admin.server, [...args, '--server', admin.issuer], {
      ...io,
      env: { GRANTABLE_TOKEN: admin.tokens.server },
    }),
} as const;

/** With what a terminal shows. */
async function atTerminal(run: (typeof WAYS)['on the store'], args: readonly string[], typed: string) {
  const said: string[] = [];
  const output = { isTTY: true, write: (text: string) => said.push(text) };
  const stdin = Object.assign(Readable.from([typed]), { isTTY: true });
  const { code } = await run(args, { stdout: output, stderr: output, stdin });
  return { code, said: said.join('') };
}

for (const [way, run] of Object.entries(WAYS)) {
  describe(`agents at the command line ${way}`, () => {
    before(async () => {
      await addAgent(admin.server, { clientId: CLIENT_ID });
      await addAgent(admin.server, { clientId: REGISTERED });
    });

    test('agents are listed and shown by their client ids', async () => {
      const listed = parse(await run(['agent', 'list', 'acme', '--kind', 'document']));
      assert.deepEqual(
        listed.map(({ clientId }: any) => clientId),
        [CLIENT_ID],
      );
      for (const id of [CLIENT_ID, REGISTERED]) {
        assert.equal(parse(await run(['agent', 'show', `acme/${id}`])).clientId, id);
      }
      const missing = await run(['agent', 'show', 'acme/https://other.example/x']);
      assert.deepEqual([missing.code, missing.out], [1, '']);
      assert.match(missing.err, /There is no agent acme\/https:\/\/other\.example\/x/);
    });

    test('an agent is approved as it was looked at, and the approval is taken back', async () => {
      const name = `acme/${CLIENT_ID}`;
      const { document } = parse(await run(['agent', 'show', name]));
      const unseen = await run(['agent', 'approve', name]);
      assert.equal(unseen.code, 2);
      assert.match(unseen.err, /Name the DOCUMENT that you looked at: agent show has it/);
      const changed = await run(['agent', 'approve', name, 'another']);
      assert.equal(changed.code, 1, changed.err);
      assert.match(changed.err, /describes itself otherwise/);
      assert.equal(parse(await run(['agent', 'approve', name, document])).approved, true);
      assert.equal(parse(await run(['agent', 'withdraw-approval', name])).approved, false);
    });

    test('a person at a terminal sees an agent before they approve it', async () => {
      const args = ['agent', 'approve', `acme/${CLIENT_ID}`];
      const refused = await atTerminal(run, args, 'no\n');
      assert.equal(refused.code, 1);
      assert.match(refused.said, /redirectUris:/);
      assert.match(refused.said, /Nothing was done/);
      const approved = await atTerminal(run, args, 'yes\n');
      assert.equal(approved.code, 0, approved.said);
      assert.match(approved.said, /approved: true/);
    });

    test('agents are invited with an initial access token', async () => {
      const { store, changes } = admin.server.server.foundations;
      const acme = (await store.organizations.findBy('name', 'acme'))!;
      const template = (await store.applications.findBy('clientId', 'spa'))!;
      const agents = { policy: 'off', application: template.id, registration: 'token' } as const;
      await changes.organizations.replace({ ...acme, agents }, { actor: 'test' });
      const invited = parse(await run(['agent', 'invite', 'acme', '--uses', '3', '--lifetime', '3600']));
      assert.match(invited.token, /^gia_/);
      assert.equal(Date.parse(invited.expiresAt) - Date.now() <= 3_600_000, true);
      const wrong = await run(['agent', 'invite', 'acme', '--uses', 'many']);
      assert.equal(wrong.code, 1, wrong.out);
      assert.match(wrong.err, /uses/);
    });

    test('an agent is ended', async () => {
      for (const id of [CLIENT_ID, REGISTERED]) {
        assert.equal((await run(['agent', 'end', `acme/${id}`])).code, 0);
      }
      assert.deepEqual(parse(await run(['agent', 'list', 'acme'])), []);
    });
  });
}
