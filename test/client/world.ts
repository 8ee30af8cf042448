/** A started server with everything that the client can ask for, and a way to it that can be disturbed. */
import { type Client, type ClientOptions, createClient, type TokenSet } from '../../src/client/index.ts';
import { engines } from '../datasources/engines.ts';
import { startWorld, userTable, type World } from '../datasources/fixture.ts';
import { PASSWORD, RESOURCE, type TestServer } from '../support/server.ts';

export const ODD_ID = 'odd:id+%41&=';
export const ODD_SECRET = `a secret of odd signs: % %41 + & = ~ ! ' ( ) * " \\ ; / ?`;
export const NO_REFRESH = { clientId: 'no-refresh', clientSecret: 'secret-of-an-app-that-may-not-refresh' };
/** A person in the table `customers` of the datasource `crm`. */
export const CUSTOMER = {
  instance: 'crm',
  database: 'main',
  collection: 'customers',
  usernameColumn: 'email',
  passwordColumn: 'password',
  username: 'eve@acme.example',
  password: 'the-password-of-eve',
};

/** @param origins of pages that the application without a secret is for */
export function startClientWorld(origins: readonly string[] = []): Promise<World> {
  const [sqlite] = engines;
  if (!sqlite) throw new Error('there is no engine');
  return startWorld(
    sqlite,
    async (engine) => {
      await engine.fill('customers', [{ id: 1, email: CUSTOMER.username, password: CUSTOMER.password }]);
      return [userTable(engine, { passwordFormat: 'plain' })];
    },
    {
      datasource: { insecurePasswords: true },
      fixture({ organizations: [acme] }) {
        const [shop] = acme.applications;
        const page = { ...shop, clientSecret: undefined, authMethod: 'none', allowedOrigins: origins };
        const [ann] = acme.users;
        acme.applications.push(
          {
            ...shop,
            name: 'odd',
            clientId: ODD_ID,
            clientSecret: ODD_SECRET,
            grants: ['client_credentials'],
          },
          { ...page, name: 'page', clientId: 'page', grants: ['password', 'refresh_token'] },
          { ...shop, ...NO_REFRESH, name: 'no-refresh', grants: ['password'] },
        );
        acme.users.push({ ...ann, application: 'page' }, { ...ann, application: 'no-refresh' });
        acme.resources[0].token.ttl = 3600;
      },
    },
  );
}

type Disturbance = (go: () => Promise<Response>) => Promise<Response>;

export interface Wire {
  readonly fetch: typeof globalThis.fetch;
  readonly requests: {
    readonly url: string;
    readonly form: Record<string, string>;
    readonly headers: Headers;
  }[];
  /** Of what is in the forms under `grant_type`. */
  readonly grants: string[];
  /** Each for one request, in order. */
  disturb(...disturbances: Disturbance[]): void;
}

/** The request does not get through. */
export const cut: Disturbance = async () => {
  throw new TypeError('fetch failed');
};
/** The answer does not get through. */
export const lose: Disturbance = async (go) => {
  await go();
  throw new TypeError('fetch failed');
};
export const answer =
  (status: number, body: object | string, headers: Record<string, string> = {}): Disturbance =>
  async () =>
    new Response(typeof body === 'string' ? body : JSON.stringify(body), { status, headers });
/** The answer waits. */
export const after =
  (time: Promise<unknown>): Disturbance =>
  async (go) => {
    const response = await go();
    await time;
    return response;
  };

function createWire(): Wire {
  const requests: Wire['requests'] = [];
  const disturbances: Disturbance[] = [];
  return {
    requests,
    get grants() {
      return requests.map(({ form }) => form.grant_type ?? 'revoke');
    },
    disturb: (...more) => void disturbances.push(...more),
    fetch: async (input, init) => {
      const form = Object.fromEntries(init?.body instanceof URLSearchParams ? init.body : []);
      const url = input instanceof Request ? input.url : String(input);
      requests.push({ url, form, headers: new Headers(init?.headers) });
      const go = (): Promise<Response> => fetch(input, init);
      const [disturbance] = disturbances.splice(0, 1);
      return disturbance ? disturbance(go) : go();
    },
  };
}

/** A client on the clock of the server, and what it was told of. */
export function createProbe(server: TestServer, options: Partial<ClientOptions> = {}) {
  const wire = createWire();
  const told: (TokenSet | undefined)[] = [];
  const { clientId = 'shop' } = options;
  const client: Client = createClient({
    issuer: server.issuer,
    clientId,
    clientSecret: server.secretOf(clientId),
    fetch: wire.fetch,
    now: () => Date.now() + server.clock.offset,
    onToken: (tokens) => told.push(tokens),
    ...options,
  });
  return {
    client,
    wire,
    told,
    logIn: () => client.login('ann', PASSWORD),
    /** Moves the clocks to when a token of an hour is to be replaced, and is good. */
    becomeDue: () => {
      server.clock.offset += 3_590_000;
    },
    becomeExpired: () => {
      server.clock.offset += 3_700_000;
    },
  };
}

export { PASSWORD, RESOURCE };
