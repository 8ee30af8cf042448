/** MCP servers behind tokens, with the official server and client. */
import assert from 'node:assert/strict';
import type { Server } from 'node:http';
import { after, before, describe, test } from 'node:test';
import { Client, InsufficientScopeError, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { createMcpExpressApp } from '@modelcontextprotocol/express';
import {
  completable,
  InMemoryTransport,
  isInitializeRequest,
  McpServer,
  ResourceTemplate,
  WebStandardStreamableHTTPServerTransport,
} from '@modelcontextprotocol/server';
import { z } from 'zod';
import { access, createVerifier, type Verifier } from '../../src/resource-server/index.ts';
import { callerOf, createMcpProtection } from '../../src/resource-server/mcp.ts';
import { createSessionIds } from '../../src/resource-server/mcp-sessions.ts';
import { PASSWORD, RESOURCE, secretOf, startServer, type TestServer } from '../support/server.ts';
import { listen, type ProtectedTools, protectTools, urlOf } from './mcp-api.ts';
import { openVerifier } from './open-verifier.ts';

const METADATA = `${RESOURCE}.well-known/oauth-protected-resource`;

let grantable: TestServer;
let verifier: Verifier;
before(async () => {
  grantable = await startServer({
    fixture(fixture) {
      const [organization] = fixture.organizations;
      organization.resources[0].tables[0].columns = [
        { name: 'id', type: 'integer' },
        { name: 'region', type: 'text' },
      ];
      organization.applications.push({
        name: 'reports',
        clientId: 'reports',
        clientSecret: secretOf('reports'),
        grants: ['client_credentials'],
        resource: RESOURCE,
        permissions: { isAdmin: false, tables: { '*': { read: true } } },
      });
    },
  });
  verifier = createVerifier({
    issuer: grantable.issuer,
    resource: RESOURCE,
    clientId: 'shop-api',
    clientSecret: grantable.secretOf('shop-api'),
    mode: 'introspection',
    maxStaleness: 0,
  });
});
after(() => grantable[Symbol.asyncDispose]());

const tokenOf = async (client: string, form: Record<string, string> = {}): Promise<string> => {
  const { json } = await grantable.token(client, form);
  assert.ok(json.access_token, JSON.stringify(json));
  return json.access_token;
};
const userToken = (username: string) =>
  tokenOf('shop', { grant_type: 'password', username, password: PASSWORD });
/** Reads the identifiers of orders of the EU only. */
const limitedToken = () => {
  const set = { type: 'table_access_set', tables: ['orders'], actions: ['read'] };
  const limit = { columns: ['id'], rows: { region: ['eu'] } };
  return tokenOf('machine', { authorization_details: JSON.stringify([{ ...set, ...limit }]) });
};

const ACCEPT = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };
const call = (id: number, name: string, rest: object = {}) => ({
  jsonrpc: '2.0',
  id,
  method: 'tools/call',
  params: { name, arguments: {}, ...rest },
});
const post = (url: URL, token: string | undefined, body: unknown, headers: Record<string, string> = {}) =>
  fetch(url, {
    method: 'POST',
    headers: { ...ACCEPT, ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
/** The first message of a stream of events. */
const messageOf = (text: string) => JSON.parse(/^data: (.+)$/m.exec(text)?.[1] ?? text);

async function connect(url: URL, token: string, mode: 'legacy' | 'auto' = 'auto'): Promise<Client> {
  const client = new Client({ name: 'test', version: '1' }, { versionNegotiation: { mode } });
  const authProvider = { token: async () => token };
  await client.connect(
    new StreamableHTTPClientTransport(url, { authProvider, onInsufficientScope: 'throw' }),
  );
  return client;
}
const textOf = async (client: Client, name: string, args = {}) => {
  const { content } = await client.callTool({ name, arguments: args });
  const [first] = content as { text: string }[];
  return JSON.parse(first?.text ?? '');
};

describe('an MCP server without sessions', () => {
  let tools: ProtectedTools;
  let api: Server & AsyncDisposable;
  before(async () => {
    tools = protectTools(verifier);
    api = await listen(tools.protection.listener(tools.protection.handler(tools.createServer).fetch));
  });
  after(() => api[Symbol.asyncDispose]());

  test('a request without a good token gets the scopes of basic use and the metadata', async () => {
    for (const [token, error] of [
      [undefined, ''],
      ['x', 'error="invalid_token", error_description="[^"]*", '],
    ] as const) {
      for (const body of [call(1, 'move_orders'), '{', '']) {
        const answer = await post(urlOf(api), token, body);
        assert.equal(answer.status, 401);
        assert.match(
          answer.headers.get('www-authenticate') ?? '',
          new RegExp(`^Bearer ${error}scope="orders:read", resource_metadata="${METADATA}"$`),
        );
      }
    }
    const metadata = await fetch(new URL('/.well-known/oauth-protected-resource', urlOf(api)));
    assert.deepEqual(await metadata.json(), {
      resource: RESOURCE,
      authorization_servers: [grantable.issuer],
      bearer_methods_supported: ['header'],
      scopes_supported: ['orders:read'],
    });
  });

  for (const mode of ['legacy', 'auto'] as const) {
    test(`a client (${mode}) sees all tools, and a right that it lacks is a challenge`, async () => {
      const client = await connect(urlOf(api), await tokenOf('machine'), mode);
      const { tools: listed } = await client.listTools();
      assert.deepEqual(
        listed.map(({ name }) => name),
        ['list_orders', 'count_orders', 'move_orders', 'ping_shop'],
      );
      assert.deepEqual((await textOf(client, 'list_orders', { region: 'eu' })).region, 'eu');
      assert.deepEqual(await textOf(client, 'count_orders'), { args: null });
      tools.ran.length = 0;
      await assert.rejects(client.callTool({ name: 'move_orders' }), (error) => {
        assert.ok(error instanceof InsufficientScopeError, String(error));
        assert.equal(error.requiredScope, 'orders:read orders:delete public.users:update');
        assert.equal(error.resourceMetadataUrl?.href, METADATA);
        return true;
      });
      assert.deepEqual(tools.ran, []);
      await client.close();
    });
  }

  test('all tables or admin are enough for one table, in each era', async () => {
    for (const mode of ['legacy', 'auto'] as const) {
      const reports = await connect(urlOf(api), await tokenOf('reports'), mode);
      assert.deepEqual(await textOf(reports, 'count_orders'), { args: null });
      await reports.close();
      const admin = await connect(urlOf(api), await tokenOf('admin', { scope: '*:admin' }), mode);
      assert.deepEqual(await textOf(admin, 'move_orders'), {});
      await admin.close();
    }
  });

  test('PM-09 limits reach a tool that applies them, and no other tool runs with them', async () => {
    const client = await connect(urlOf(api), await limitedToken());
    const { limits, subject } = await textOf(client, 'list_orders');
    assert.deepEqual(limits, [{ columns: ['id'], rows: { region: ['eu'] } }]);
    assert.match(subject, /^client:/);
    await assert.rejects(client.callTool({ name: 'count_orders' }), { requiredScope: 'orders:read' });
    assert.deepEqual(await textOf(client, 'ping_shop'), {});
    await client.close();
  });

  test('a challenge names the limited rights of the token, which its scope cannot', async () => {
    const client = await connect(urlOf(api), await limitedToken());
    await assert.rejects(client.callTool({ name: 'move_orders' }), {
      requiredScope: 'orders:read orders:delete public.users:update',
    });
    const details = [
      { type: 'table_access_set', tables: ['orders'], actions: ['update'], rows: { region: ['eu'] } },
    ];
    const form = { authorization_details: JSON.stringify(details) };
    const other = await connect(urlOf(api), await tokenOf('machine', form));
    await assert.rejects(other.callTool({ name: 'count_orders' }), {
      requiredScope: 'orders:read orders:update',
    });
    await Promise.all([client.close(), other.close()]);
  });

  test('PM-11 of a batch with one call that is not allowed, none is run', async () => {
    const token = await tokenOf('machine');
    tools.ran.length = 0;
    const batch = [call(1, 'count_orders'), call(2, 'ping_shop'), call(3, 'move_orders')];
    const refused = await post(urlOf(api), token, batch);
    assert.equal(refused.status, 403);
    const challenge = refused.headers.get('www-authenticate') ?? '';
    assert.match(
      challenge,
      /^Bearer error="insufficient_scope", error_description="The token does not allow/,
    );
    assert.match(challenge, / scope="orders:read orders:delete public\.users:update", /);
    assert.ok(challenge.endsWith(`resource_metadata="${METADATA}"`), challenge);
    assert.deepEqual(tools.ran, []);
    assert.equal((await post(urlOf(api), token, batch.slice(0, 2))).status, 200);
    assert.deepEqual(tools.ran, ['count_orders', 'ping_shop']);
  });

  test('PM-01 names of another case and of prototypes are tools that do not exist', async () => {
    const token = await tokenOf('admin', { scope: '*:admin' });
    tools.ran.length = 0;
    for (const name of ['PING_SHOP', 'ping_shop ', '__proto__', 'constructor', 'toString', '', 'nowhere']) {
      const answer = await post(urlOf(api), token, call(1, name));
      const { error } = messageOf(await answer.text());
      assert.equal(error.code, -32602, name);
      assert.match(error.message, /There is no tool /);
    }
    assert.deepEqual(tools.ran, []);
  });

  test('a body that is not JSON-RPC is answered by the SDK', async () => {
    const token = await tokenOf('machine');
    for (const [body, code] of [
      ['{', -32700],
      ['[]', -32600],
      ['7', -32600],
    ] as const) {
      const answer = await post(urlOf(api), token, body);
      assert.equal(answer.status, 400, body);
      assert.equal(((await answer.json()) as any).error.code, code, body);
    }
    const text = await post(urlOf(api), token, 'x', { 'content-type': 'text/plain' });
    assert.equal(text.status, 415);
  });

  test('a list of the tools that are held follows the rights of the token', async () => {
    const { protection, createServer } = protectTools(verifier, { list: 'held' });
    await using held = await listen(protection.listener(protection.handler(createServer).fetch));
    for (const [token, names] of [
      [await limitedToken(), ['list_orders', 'ping_shop']],
      [await tokenOf('machine'), ['list_orders', 'count_orders', 'ping_shop']],
      [
        await tokenOf('admin', { scope: '*:admin' }),
        ['list_orders', 'count_orders', 'move_orders', 'ping_shop'],
      ],
    ] as const) {
      const client = await connect(urlOf(held), token);
      const { tools: listed } = await client.listTools();
      assert.deepEqual(
        listed.map(({ name }) => name),
        names,
      );
      await client.close();
    }
    const client = await connect(urlOf(held), await limitedToken());
    assert.equal((await client.listTools()).cacheScope, 'private', 'whatever the server says');
    await assert.rejects(client.callTool({ name: 'count_orders' }), InsufficientScopeError);
    await client.close();
  });
});

describe('tools without rights', () => {
  const registerRaw = (server: McpServer) =>
    server.registerTool('raw', {}, () => {
      throw new Error('It ran.');
    });

  test('PM-11 a tool that was registered beside the others is not listed or called', async () => {
    const { protection, createServer } = protectTools(verifier);
    const create = () => {
      const server = createServer();
      registerRaw(server);
      server.registerTool('other', {}, () => ({ content: [] })).update({ name: 'another' });
      return server;
    };
    await using api = await listen(protection.listener(protection.handler(create).fetch));
    const client = await connect(urlOf(api), await tokenOf('machine'));
    assert.equal((await client.listTools()).tools.length, 4);
    for (const name of ['raw', 'another']) {
      await assert.rejects(
        client.callTool({ name }),
        /There is no tool \w+, or it was registered without rights/,
      );
    }
    await client.close();
  });

  test('PM-11 a server that has only such tools is not served', async () => {
    const errors: Error[] = [];
    const { protection, createServer } = protectTools(verifier);
    const create = () => {
      const server = new McpServer({ name: 'raw', version: '1' });
      registerRaw(server);
      return server;
    };
    const handler = protection.handler(create, { onerror: (error) => errors.push(error) });
    await using api = await listen(protection.listener(handler.fetch));
    const token = await tokenOf('machine');
    assert.equal((await post(urlOf(api), token, call(1, 'raw'))).status, 500);
    assert.match(
      errors[0]?.message ?? '',
      /has tools without rights\. Register each tool with protection\.tool/,
    );
    const other = createMcpProtection(verifier);
    assert.throws(() => other.tool(createServer(), 'more', [], {}, () => ({ content: [] })), TypeError);
  });

  test('a wrong name and a public tool are errors of the program', () => {
    const { protection, createServer } = protectTools(verifier);
    const server = createServer();
    const add = (name: string, rights: object) =>
      protection.tool(server, name, rights as [], {}, () => ({ content: [] }));
    for (const name of ['__proto__', 'constructor', '', 'a b', 'ü', 'x'.repeat(129)]) {
      assert.throws(() => add(name, []), /cannot be the name of a tool/);
    }
    assert.throws(() => add('open', access.public()), /A tool cannot be public/);
    assert.throws(() => add('list_orders', []), /already registered/);
  });

  test('PM-11 without a transport that checks tokens no tool is run', async () => {
    const { createServer, ran } = protectTools(verifier);
    const [one, other] = InMemoryTransport.createLinkedPair();
    const client = new Client({ name: 'test', version: '1' });
    await Promise.all([createServer().connect(one), client.connect(other)]);
    for (const name of ['ping_shop', 'list_orders']) {
      await assert.rejects(client.callTool({ name, arguments: {} }), /The request has no token/);
    }
    assert.deepEqual(ran, []);
    await client.close();
  });

  test('resources name their rights too, and their callbacks get the token', async () => {
    const { protection, createServer } = protectTools(verifier);
    const create = () => {
      const server = createServer();
      for (const action of ['read', 'delete'] as const) {
        const scopeChallenge = protection.challenge({ table: 'orders', action });
        server.registerResource(action, `orders://${action}`, { scopeChallenge }, (uri, ctx) => {
          const { access: held } = callerOf(ctx);
          return { contents: [{ uri: uri.href, text: JSON.stringify(held.limits('orders', action)) }] };
        });
      }
      return server;
    };
    await using api = await listen(protection.listener(protection.handler(create).fetch));
    const client = await connect(urlOf(api), await tokenOf('machine'));
    const { contents } = await client.readResource({ uri: 'orders://read' });
    assert.deepEqual((contents as { text: string }[])[0]?.text, '[{}]');
    await assert.rejects(client.readResource({ uri: 'orders://delete' }), { requiredScope: 'orders:delete' });
    await client.close();
  });

  for (const mode of ['legacy', 'auto'] as const) {
    test(`PM-11 completions take the rights of what they are for (${mode})`, async () => {
      const { protection } = protectTools(verifier);
      const completed: string[] = [];
      const create = () => {
        const server = new McpServer({ name: 'shop', version: '1' });
        for (const action of ['read', 'delete'] as const) {
          const scopeChallenge = protection.challenge({ table: 'orders', action });
          const complete = (kind: string) => () => {
            completed.push(`${kind} ${action}`);
            return ['7'];
          };
          const template = new ResourceTemplate(`orders://${action}/{id}`, {
            list: undefined,
            complete: { id: complete('resource') },
          });
          server.registerResource(action, template, { scopeChallenge }, () => ({ contents: [] }));
          const argsSchema = z.object({ id: completable(z.string(), complete('prompt')) });
          server.registerPrompt(action, { argsSchema, scopeChallenge }, () => ({ messages: [] }));
        }
        return server;
      };
      await using api = await listen(protection.listener(protection.handler(create).fetch));
      const client = await connect(urlOf(api), await tokenOf('machine'), mode);
      const argument = { name: 'id', value: '' };
      const refsOf = (action: string) => [
        { type: 'ref/resource' as const, uri: `orders://${action}/{id}` },
        { type: 'ref/prompt' as const, name: action },
      ];
      for (const ref of refsOf('read')) {
        const { completion } = await client.complete({ ref, argument });
        assert.deepEqual(completion.values, ['7']);
      }
      for (const ref of refsOf('delete'))
        await assert.rejects(client.complete({ ref, argument }), { requiredScope: 'orders:delete' });
      assert.deepEqual(completed, ['resource read', 'prompt read']);
      await client.close();
    });
  }
});

describe('sessions', () => {
  let tools: ProtectedTools;
  let api: Server & AsyncDisposable;
  /** Instead of an id of the protection. */
  let foreignId: string | undefined;
  before(async () => {
    tools = protectTools(verifier);
    const { protection } = tools;
    const transports = new Map<string, WebStandardStreamableHTTPServerTransport>();
    const handle = protection.fetch(async (request, { authInfo }) => {
      const id = request.headers.get('mcp-session-id');
      const known = id === null ? undefined : transports.get(id);
      if (known) return known.handleRequest(request, { authInfo });
      const parsedBody = await request.json();
      if (!isInitializeRequest(parsedBody)) return new Response(null, { status: 400 });
      const transport = new WebStandardStreamableHTTPServerTransport({
        sessionIdGenerator: () => foreignId ?? protection.sessionId(authInfo),
        onsessioninitialized: (begun) => {
          transports.set(begun, transport);
        },
      });
      await tools.createServer().connect(transport);
      return transport.handleRequest(request, { authInfo, parsedBody });
    });
    api = await listen(protection.listener(handle));
  });
  after(() => api[Symbol.asyncDispose]());

  const initialize = {
    jsonrpc: '2.0',
    id: 1,
    method: 'initialize',
    params: {
      protocolVersion: '2025-06-18',
      capabilities: {},
      clientInfo: { name: 'test', version: '1' },
    },
  };
  const begin = async (token: string): Promise<string> => {
    const answer = await post(urlOf(api), token, initialize);
    assert.equal(answer.status, 200);
    await answer.text();
    return answer.headers.get('mcp-session-id') ?? '';
  };
  const statusOf = async (token: string, id: string, body: unknown = call(2, 'ping_shop')) => {
    const { status } = await post(urlOf(api), token, body, { 'mcp-session-id': id });
    return status;
  };

  test('PM-12 a session serves the user and the client that began it only', async () => {
    const ann = await userToken('ann');
    const id = await begin(ann);
    assert.equal(await statusOf(ann, id), 200);
    // A refreshed token is another one of the same user and client.
    assert.equal(await statusOf(await userToken('ann'), id), 200);
    for (const other of [await userToken('bob'), await tokenOf('machine'), await tokenOf('shop')]) {
      assert.equal(await statusOf(other, id), 404);
      const init = { headers: { authorization: `Bearer ${other}`, 'mcp-session-id': id, ...ACCEPT } };
      assert.equal((await fetch(urlOf(api), init)).status, 404);
      assert.equal((await fetch(urlOf(api), { method: 'DELETE', ...init })).status, 404);
    }
    const [name = '', mac = ''] = id.split('.');
    for (const wrong of [name, `${name}.`, `${name}.${'A'.repeat(mac.length)}`, `x${id}`, `${id}, ${id}`]) {
      assert.equal(await statusOf(ann, wrong), 404, wrong);
    }
    assert.equal(await statusOf(ann, id, call(3, 'move_orders')), 403);
    assert.equal(await statusOf(ann, id), 200);
  });

  test('PM-12 the same user with another client has other sessions', async () => {
    const ids = createSessionIds();
    const token = await openVerifier.verify('x');
    const id = ids.create(token);
    assert.ok(ids.isOwn(id, { ...token, expiresAt: 2 }));
    assert.ok(!ids.isOwn(id, { ...token, clientId: 'y' }));
    assert.ok(!ids.isOwn(id, { ...token, subject: 'y' }));
    assert.ok(!createSessionIds().isOwn(id, token), 'another process has another key');
  });

  test('a session whose id does not say whose it is serves nothing', async () => {
    const token = await tokenOf('machine');
    foreignId = 'a'.repeat(40);
    const id = await begin(token);
    foreignId = undefined;
    assert.equal(id, 'a'.repeat(40));
    assert.equal(await statusOf(token, id), 404);
  });

  test('PM-12 a stream ends when its token is revoked', async () => {
    const token = await tokenOf('machine');
    const id = await begin(token);
    const stream = await fetch(urlOf(api), {
      headers: { ...ACCEPT, authorization: `Bearer ${token}`, 'mcp-session-id': id },
    });
    assert.equal(stream.status, 200);
    const end = stream.text();
    assert.equal(await statusOf(token, id), 200);
    await grantable.post('/oauth/revoke', 'machine', { token });
    assert.equal(await statusOf(token, id), 401);
    await end;
  });
});

describe('Express', () => {
  test('the application of the SDK is served, whose bodies Express reads', async () => {
    const { protection, createServer, ran } = protectTools(verifier);
    const app = createMcpExpressApp();
    app.use('/mcp', protection.listener(protection.handler(createServer).fetch));
    app.use(protection.express);
    await using api = await listen(app);
    for (const mode of ['legacy', 'auto'] as const) {
      const client = await connect(urlOf(api), await tokenOf('machine'), mode);
      assert.deepEqual(await textOf(client, 'count_orders'), { args: null });
      await assert.rejects(client.callTool({ name: 'move_orders' }), InsufficientScopeError);
      await client.close();
    }
    assert.deepEqual(ran, ['count_orders', 'count_orders']);
    const metadata = await fetch(new URL('/.well-known/oauth-protected-resource', urlOf(api)));
    assert.deepEqual(((await metadata.json()) as any).scopes_supported, ['orders:read']);
  });

  test('transports that read request.auth get the token of the caller', async () => {
    const { protection } = protectTools(verifier);
    const app = createMcpExpressApp();
    app.use('/mcp', protection.express, (request, response) => {
      const { token, access: held } = callerOf({ http: { authInfo: request.auth as never } });
      response.json({
        client: token.clientId,
        limits: held.limits('orders', 'read'),
        scopes: request.auth?.scopes,
        metadata: request.auth?.resourceMetadataUrl,
      });
    });
    await using api = await listen(app);
    const answer = await post(urlOf(api), await limitedToken(), {});
    assert.deepEqual(await answer.json(), {
      client: 'machine',
      limits: [{ columns: ['id'], rows: { region: ['eu'] } }],
      scopes: ['orders.read'],
      metadata: METADATA,
    });
    assert.equal((await post(urlOf(api), 'x', {})).status, 401);
    const session = { 'mcp-session-id': 'x' };
    assert.equal((await post(urlOf(api), await limitedToken(), {}, session)).status, 404);
  });

  test('an answer that stays open ends when its token is revoked', async () => {
    const { protection } = protectTools(verifier);
    const app = createMcpExpressApp();
    app.use(protection.express, (_request, response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    });
    await using api = await listen(app);
    const token = await tokenOf('machine');
    const open = await post(urlOf(api), token, {});
    assert.equal(open.status, 200);
    await grantable.post('/oauth/revoke', 'machine', { token });
    await assert.rejects(open.text());
  });
});
