/**
 * MCP servers of `@modelcontextprotocol/server`: each tool says which rights it needs, and a caller whose token lacks one gets
 * the challenge before the tool runs. The SDK owns the protocol; this owns tokens, rights and whose a session is.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import {
  type AuthInfo,
  type CreateMcpHandlerOptions,
  createMcpHandler,
  type McpHttpHandler,
  type McpServerFactory,
  type ScopeChallengeHandler,
} from '@modelcontextprotocol/server';
import { defined } from '../storage/defined.ts';
import {
  type AccessAnswer,
  createGate,
  type ProtectionOptions,
  readToken,
  type TokenRequest,
} from './access.ts';
import { tokenRequestOf as tokenRequestOfFetch, toResponse } from './fetch.ts';
import { toAuthInfo, tokenOf } from './mcp-auth-info.ts';
import { createSessionIds, SESSION_NOT_FOUND } from './mcp-sessions.ts';
import { challengeOf, createToolGuard, type ToolGuard, type ToolRights } from './mcp-tools.ts';
import { type FetchHandler, toListener } from './node-listener.ts';
import { type NodeRequest, pathOf, tokenRequestOf } from './node-request.ts';
import { Rule } from './rules.ts';
import { endWithToken, whenTokenEnds } from './token-streams.ts';
import type { VerifiedToken } from './verified-token.ts';
import type { Verifier } from './verifier.ts';

export { type Caller, callerOf } from './mcp-auth-info.ts';
export type { ToolConfig, ToolHandler, ToolRight, ToolRights } from './mcp-tools.ts';
export type { FetchHandler } from './node-listener.ts';

export interface McpProtectionOptions extends ProtectionOptions {
  /**
   * Which tools a caller is told of: `all`, unless said otherwise, so that a client sees what more it can ask for; or `held`,
   * those that its token allows.
   */
  readonly list?: 'all' | 'held';
}

/** What a transport of the SDK is given beside a request. */
export interface McpRequestOptions {
  readonly authInfo: AuthInfo;
  /** A JSON body that a framework has read already. */
  readonly parsedBody?: unknown;
}
/** `handleRequest` of a transport of the SDK, or what chooses the transport of a session. */
export type McpRequestHandler = (request: Request, options: McpRequestOptions) => Promise<Response>;

/** The little of Express that is needed. */
export interface McpExpressRequest extends NodeRequest {
  readonly method?: string | undefined;
  /** With the path at which a router is mounted. */
  readonly originalUrl?: string;
  /** What transports of the SDK read. */
  auth?: AuthInfo;
}
export type McpExpressMiddleware = (
  request: McpExpressRequest,
  response: ServerResponse,
  next: (error?: unknown) => void,
) => void;

export interface McpProtection {
  /**
   * Registers a tool with the rights that it needs. Of this server, tools that are registered in other ways are then neither
   * listed nor called.
   * @throws TypeError for a name that is not one of MCP, and for a server that has other tools already
   */
  readonly tool: ToolGuard['tool'];
  /** For `scopeChallenge` of resources and prompts, whose callbacks get the token by `callerOf`. */
  challenge(rights: ToolRights): ScopeChallengeHandler;
  /**
   * An endpoint without sessions: `createMcpHandler` of the SDK behind tokens. It also serves the metadata of the resource
   * (RFC 9728), and it answers 500 for a server whose tools were registered without rights.
   */
  handler(factory: McpServerFactory, options?: CreateMcpHandlerOptions): McpHttpHandler;
  /** The same for transports that the program connects itself, as those with sessions. */
  fetch(handle: McpRequestHandler): FetchHandler;
  /** A handler of Fetch for `node:http` and Express, also after `express.json()`. */
  listener(handle: FetchHandler): (request: IncomingMessage, response: ServerResponse) => void;
  /** For Express, before transports that read `request.auth`. It also serves the metadata of the resource. */
  readonly express: McpExpressMiddleware;
  /**
   * For `sessionIdGenerator`: an id that is good for this user and this client only. A request with another session id is
   * answered with 404.
   */
  sessionId(authInfo: AuthInfo): string;
}

/** @throws TypeError for scopes that the metadata must not name */
export function createMcpProtection(verifier: Verifier, options: McpProtectionOptions = {}): McpProtection {
  const { scopes = [], list = 'all' } = options;
  const gate = createGate(verifier, options);
  const guard = createToolGuard(list);
  const sessions = createSessionIds();
  /** Each valid token passes; without one the challenge names what basic use needs. */
  const basic = scopes.map((scope) => new Rule({ isPublic: false, scope, findProblem: () => undefined }));

  async function admit(
    call: object,
    asked: { readonly method: string; readonly path: string },
    tokenRequest: TokenRequest,
    sessionId: string | null,
  ): Promise<AuthInfo | AccessAnswer> {
    const metadata = gate.metadata(asked);
    if (metadata) return metadata;
    try {
      const token = (await gate.authorize(basic, tokenRequest, call)) as VerifiedToken;
      if (!sessions.isOwn(sessionId, token)) return SESSION_NOT_FOUND;
      return toAuthInfo(readToken(tokenRequest), token, verifier.resource);
    } catch (error) {
      const refusal = gate.refusal(error, call);
      if (!refusal) throw error;
      return refusal;
    }
  }

  const isAlive = async ({ token }: AuthInfo): Promise<boolean> =>
    Boolean(await verifier.verify(token).catch(() => undefined));

  const protect =
    (handle: McpRequestHandler): FetchHandler =>
    async (request, { parsedBody } = {}) => {
      const { method, url, headers } = request;
      const asked = { method, path: new URL(url).pathname };
      const sessionId = headers.get('mcp-session-id');
      const admitted = await admit(request, asked, tokenRequestOfFetch(request), sessionId);
      if (isAnswer(admitted)) return toResponse(admitted, request);
      const answer = await handle(request, defined({ authInfo: admitted, parsedBody }));
      return endWithToken(answer, () => isAlive(admitted));
    };

  const express: McpExpressMiddleware = (request, response, next) => {
    const { method = '', headers, originalUrl, url = '' } = request;
    const asked = { method, path: pathOf(originalUrl ?? url) };
    const sessionId = headers['mcp-session-id']?.toString() ?? null;
    admit(request, asked, tokenRequestOf(request), sessionId).then((admitted) => {
      if (isAnswer(admitted)) {
        const { status, headers: said, body } = admitted;
        response.writeHead(status, said).end(method === 'HEAD' ? undefined : JSON.stringify(body));
        return;
      }
      // The client left while the token was checked.
      if (response.closed) return;
      request.auth = admitted;
      const end = () => response.destroy();
      response.once(
        'close',
        whenTokenEnds(() => isAlive(admitted), end),
      );
      next();
    }, next);
  };

  return {
    tool: guard.tool,
    challenge: challengeOf,
    handler(factory, handlerOptions) {
      const handler = createMcpHandler(async (context) => {
        const server = await factory(context);
        guard.protect(server);
        return server;
      }, handlerOptions);
      return { ...handler, fetch: protect(handler.fetch) };
    },
    fetch: protect,
    listener: toListener,
    express,
    sessionId: (authInfo) => sessions.create(tokenOf(authInfo)),
  };
}

const isAnswer = (admitted: AuthInfo | AccessAnswer): admitted is AccessAnswer => 'status' in admitted;
