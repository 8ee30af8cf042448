/** An agent: the official client of MCP, which remembers only what it learned in this test. */
import {
  type AddClientAuthentication,
  auth,
  type CallToolResult,
  Client,
  type OAuthClientMetadata,
  type OAuthClientProvider,
  type OAuthDiscoveryState,
  type StoredOAuthClientInformation,
  type StoredOAuthTokens,
  StreamableHTTPClientTransport,
  UnauthorizedError,
} from '@modelcontextprotocol/client';

export interface AgentOptions {
  /** The address of the MCP server. */
  readonly url: string;
  readonly redirectUri: string;
  /** The address of its metadata document; without one the agent registers itself. */
  readonly document?: string;
  /** What an operator registered for it. */
  readonly registered?: StoredOAuthClientInformation;
  /** How it proves itself at the token endpoint; a public client unless said otherwise. */
  readonly authenticate?: AddClientAuthentication;
  /** Instead of the network. */
  readonly reach?: typeof fetch;
}

/** A request of the agent and its answer. */
export interface Exchange {
  readonly method: string;
  readonly url: string;
  readonly status: number;
  readonly challenge: string | null;
}

/** @param url of the authorization request. @returns where the browser ended, at the redirect URI */
export type Person = (url: URL) => Promise<URL>;

export interface Agent extends AsyncDisposable {
  readonly exchanges: readonly Exchange[];
  /** The authorization requests that it sent a person to. */
  readonly authorizations: readonly URL[];
  client(): StoredOAuthClientInformation | undefined;
  tokens(): StoredOAuthTokens | undefined;
  toolNames(person?: Person): Promise<string[]>;
  /** @param person follows the agent's authorization requests; without one the agent may not ask. */
  call(tool: string, args?: Record<string, unknown>, person?: Person): Promise<CallToolResult>;
  /** Gets new tokens with the refresh token. */
  refresh(): Promise<void>;
}

export const NAME = 'Table Agent';

export function clientMetadata(redirectUri: string): OAuthClientMetadata {
  return {
    client_name: NAME,
    redirect_uris: [redirectUri],
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  };
}

class Memory implements OAuthClientProvider {
  readonly authorizations: URL[] = [];
  readonly redirectUrl: string;
  readonly clientMetadataUrl?: string;
  readonly addClientAuthentication?: AddClientAuthentication;
  client: StoredOAuthClientInformation | undefined;
  stored: StoredOAuthTokens | undefined;
  #verifier = '';
  #discovery: OAuthDiscoveryState | undefined;

  constructor({ redirectUri, document, registered, authenticate }: AgentOptions) {
    this.redirectUrl = redirectUri;
    if (document !== undefined) this.clientMetadataUrl = document;
    if (authenticate) this.addClientAuthentication = authenticate;
    this.client = registered;
  }

  get clientMetadata() {
    return clientMetadata(this.redirectUrl);
  }

  state = () => 'st4te';
  clientInformation = () => this.client;
  saveClientInformation = (client: StoredOAuthClientInformation) => {
    this.client = client;
  };
  tokens = () => this.stored;
  saveTokens = (tokens: StoredOAuthTokens) => {
    this.stored = tokens;
  };
  redirectToAuthorization = (url: URL) => {
    this.authorizations.push(url);
  };
  saveCodeVerifier = (verifier: string) => {
    this.#verifier = verifier;
  };
  codeVerifier = () => this.#verifier;
  saveDiscoveryState = (state: OAuthDiscoveryState) => {
    this.#discovery = state;
  };
  discoveryState = () => this.#discovery;
  invalidateCredentials = (what: string) => {
    if (what === 'client' || what === 'all') this.client = undefined;
    if (what === 'tokens' || what === 'all') this.stored = undefined;
  };
}

export function createAgent(options: AgentOptions): Agent {
  const memory = new Memory(options);
  const exchanges: Exchange[] = [];
  const { reach = fetch } = options;
  const observed: typeof fetch = async (input, init) => {
    const answer = await reach(input, init);
    exchanges.push({
      method: init?.method ?? 'GET',
      url: String(input),
      status: answer.status,
      challenge: answer.headers.get('www-authenticate'),
    });
    return answer;
  };
  let open: { client: Client; transport: StreamableHTTPClientTransport } | undefined;

  async function connected(): Promise<Client> {
    if (open) return open.client;
    const client = new Client({ name: NAME, version: '1.0.0' });
    const transport = new StreamableHTTPClientTransport(new URL(options.url), {
      authProvider: memory,
      fetch: observed,
    });
    open = { client, transport };
    await client.connect(transport);
    return client;
  }

  /** Once more after each login, as hosts of the client do. */
  async function withPerson<T>(person: Person | undefined, work: (client: Client) => Promise<T>): Promise<T> {
    try {
      return await work(await connected());
    } catch (error) {
      const url = memory.authorizations.at(-1);
      if (!(error instanceof UnauthorizedError) || !person || !url || !open) throw error;
      const { client, transport } = open;
      await transport.finishAuth((await person(url)).searchParams);
      await client.close();
      open = undefined;
      return work(await connected());
    }
  }

  return {
    exchanges,
    authorizations: memory.authorizations,
    client: memory.clientInformation,
    tokens: memory.tokens,
    toolNames: (person) =>
      withPerson(person, async (client) => (await client.listTools()).tools.map(({ name }) => name)),
    call: (name, args = {}, person) =>
      withPerson(person, (client) => client.callTool({ name, arguments: args }) as Promise<CallToolResult>),
    async refresh() {
      await auth(memory, { serverUrl: options.url, fetchFn: observed });
    },
    async [Symbol.asyncDispose]() {
      await open?.client.close();
    },
  };
}
