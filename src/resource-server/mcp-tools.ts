/**
 * The tools of an MCP server and the rights that they need. The SDK sends the challenge of a tool before it runs any call of the
 * request. The rights are checked again where the tool is called, so that no way around the transport serves it without.
 */
import {
  type AuthInfo,
  type CallToolResult,
  type InputRequiredResult,
  type McpServer,
  ProtocolError,
  ProtocolErrorCode,
  type RegisteredTool,
  type ScopeChallengeHandler,
  type Server,
  type ServerContext,
  type StandardSchemaWithJSON,
} from '@modelcontextprotocol/server';
import type { Action } from '../permissions/actions.ts';
import { quoteName } from '../permissions/errors.ts';
import { difference, NOTHING } from '../permissions/permissions.ts';
import { toTableScope } from '../permissions/table-scopes.ts';
import { toQuotable } from './access.ts';
import { type Caller, callerOf, findToken } from './mcp-auth-info.ts';
import { guardCompletions } from './mcp-completions.ts';
import { access, findProblems, Rule, scopesOfRules } from './rules.ts';
import type { VerifiedToken } from './verified-token.ts';

/** The right to an action on all rows and columns of a table, as `access.require(table, action)`. */
export interface ToolRight {
  readonly table: string;
  readonly action: Action;
}
/** All are needed. With an empty list each valid token will do. */
export type ToolRights = ToolRight | Rule<false> | readonly (ToolRight | Rule<false>)[];

/** What `registerTool` of the SDK takes. */
export type ToolConfig<
  Input extends StandardSchemaWithJSON | undefined,
  Output extends StandardSchemaWithJSON | undefined,
> = Readonly<
  Pick<RegisteredTool, 'title' | 'description' | 'annotations' | 'icons' | '_meta'> & {
    inputSchema?: Input;
    outputSchema?: Output;
  }
>;

/** @param args undefined without an input schema */
export type ToolHandler<Input extends StandardSchemaWithJSON | undefined> = (
  args: Input extends StandardSchemaWithJSON ? StandardSchemaWithJSON.InferOutput<Input> : undefined,
  caller: Caller,
  ctx: ServerContext,
) => CallToolResult | InputRequiredResult | Promise<CallToolResult | InputRequiredResult>;

export interface ToolGuard {
  tool<
    Input extends StandardSchemaWithJSON | undefined = undefined,
    Output extends StandardSchemaWithJSON | undefined = undefined,
  >(
    server: McpServer,
    name: string,
    rights: ToolRights,
    config: ToolConfig<Input, Output>,
    handler: ToolHandler<Input>,
  ): RegisteredTool;
  /**
   * From here on the server serves only tools that were registered by `tool`.
   * @throws TypeError if it has others already
   */
  protect(server: McpServer | Server): void;
}

/** https://modelcontextprotocol.io/specification/2026-07-28/server/tools */
const TOOL_NAME = /^[\w.-]{1,128}$/;

export function challengeOf(rights: ToolRights): ScopeChallengeHandler {
  const rules = toRules(rights);
  const asked = scopesOfRules(rules);
  const [first, ...others] = asked;
  return ({ authInfo }) => {
    const token = findToken(authInfo);
    const problems = problemsOf(authInfo, rules);
    if (problems.length === 0 || first === undefined) return undefined;
    const kept = (token ? limitedScopes(token) : []).filter((scope) => !asked.includes(scope));
    return { scopes: [first, ...others, ...kept], errorDescription: toQuotable(problems.join(' ')) };
  };
}

/** A challenge stays far below the length of headers that clients accept. */
const MOST_KEPT = 50;

/**
 * The rights to some rows and columns that the token has. The `scope` of a token response cannot say them, so a client that
 * asks for what it had and what the challenge names would lose them.
 */
function limitedScopes({ permissions }: VerifiedToken): string[] {
  const limited = difference(permissions, NOTHING).cells.filter(({ isLimited }) => isLimited);
  return limited.slice(0, MOST_KEPT).map(({ table, action }) => toTableScope(table, action));
}

/** @returns one sentence for each right that the caller lacks */
function problemsOf(authInfo: AuthInfo | undefined, rules: readonly Rule[]): string[] {
  const token = findToken(authInfo);
  return token ? findProblems(token, rules) : ['The request has no token.'];
}

/** @throws TypeError for a public rule */
function toRules(rights: ToolRights): readonly Rule[] {
  const rules = [rights]
    .flat()
    .map((each) => (each instanceof Rule ? each : access.require(each.table, each.action)));
  if (!rules.some(({ isPublic }) => isPublic)) return rules;
  throw new TypeError(
    'A tool cannot be public. For a tool that each valid token may call, write an empty list.',
  );
}

/** What is called with a request and its context. */
type Handle = (request: { params?: { name?: unknown } }, ctx: ServerContext) => unknown;

export function createToolGuard(list: 'all' | 'held'): ToolGuard {
  const guarded = new WeakMap<Server, Map<string, readonly Rule[]>>();

  /** @returns the rights of the tools of the server, by name */
  function rightsOf(server: Server): Map<string, readonly Rule[]> {
    const known = guarded.get(server);
    if (known) return known;
    requireNoTools(server);
    const rights = new Map<string, readonly Rule[]>();
    guarded.set(server, rights);
    const guards: Readonly<Record<string, (handle: Handle) => Handle>> = {
      'tools/call': (handle) => (request, ctx) => {
        requireRights(rights, request.params?.name, ctx);
        return handle(request, ctx);
      },
      'tools/list': (handle) => async (request, ctx) => {
        const answer = (await handle(request, ctx)) as { tools: { name: string }[] };
        const isHeld = (rules?: readonly Rule[]) =>
          rules && problemsOf(ctx.http?.authInfo, rules).length === 0;
        const isListed = ({ name }: { name: string }) =>
          list === 'all' ? rights.has(name) : isHeld(rights.get(name));
        const tools = answer.tools.filter(isListed);
        // A shared cache would give the list of one caller to others.
        return { ...answer, tools, ...(list === 'held' && { cacheScope: 'private' }) };
      },
    };
    const setRequestHandler = server.setRequestHandler.bind(server) as (...given: unknown[]) => void;
    server.setRequestHandler = ((method: string, ...given: unknown[]) => {
      const guard = Object.hasOwn(guards, method) ? guards[method] : undefined;
      // Last comes the handler.
      const handle = given.at(-1) as Handle;
      setRequestHandler(method, ...given.slice(0, -1), guard ? guard(handle) : handle);
    }) as Server['setRequestHandler'];
    return rights;
  }

  return {
    tool(server, name, rights, config, handler) {
      if (!TOOL_NAME.test(name) || name in Object.prototype) {
        throw new TypeError(
          `${quoteName(name)} cannot be the name of a tool. Use 1 to 128 letters, digits, "_", "-" and ".".`,
        );
      }
      const scopeChallenge = challengeOf(rights);
      guardCompletions(server);
      const known = rightsOf(server.server);
      const callback = config.inputSchema
        ? (args: never, ctx: ServerContext) => handler(args, callerOf(ctx), ctx)
        : (ctx: ServerContext) => handler(undefined as never, callerOf(ctx), ctx);
      const register = server.registerTool.bind(server) as (...given: unknown[]) => RegisteredTool;
      const registered = register(name, { ...config, scopeChallenge }, callback);
      known.set(name, toRules(rights));
      return registered;
    },
    protect: (server) => {
      const isHigh = 'server' in server;
      if (isHigh) guardCompletions(server);
      rightsOf(isHigh ? server.server : server);
    },
  };
}

/** @throws TypeError */
function requireNoTools(server: Server): void {
  try {
    for (const method of ['tools/call', 'tools/list']) server.assertCanSetRequestHandler(method);
  } catch (cause) {
    throw new TypeError(
      'The server has tools without rights. Register each tool with protection.tool, and leave tools out of its capabilities.',
      { cause },
    );
  }
}

/** @throws ProtocolError */
function requireRights(
  rights: ReadonlyMap<string, readonly Rule[]>,
  name: unknown,
  { http }: ServerContext,
): void {
  const rules = typeof name === 'string' ? rights.get(name) : undefined;
  if (!rules) {
    throw new ProtocolError(
      ProtocolErrorCode.InvalidParams,
      `There is no tool ${quoteName(String(name))}, or it was registered without rights.`,
    );
  }
  const problems = problemsOf(http?.authInfo, rules);
  if (problems.length > 0) throw new ProtocolError(ProtocolErrorCode.InvalidRequest, problems.join(' '));
}
