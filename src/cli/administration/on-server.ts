/** Operations that a server does: requests to its administration API. */
import { API } from '../../admin/api/paths.ts';
import type { Operation } from '../../admin/operations/operation.ts';
import { type Request, toRequest } from '../../admin-client/requests.ts';
import { parse } from '../../admin-client/send.ts';
import { TOKEN_VARIABLE } from '../../config/options.ts';
import { cut, quote } from '../../errors/texts.ts';
import { isLoopback } from '../../nouns/redirect-uris.ts';
import { defined } from '../../storage/defined.ts';
import { CommandFailed, type CommandIo, UsageError } from '../command.ts';
import { type Administration, type OperationRequest, requireOperation } from './administration.ts';
import { describeFields } from './field-problems.ts';

const TAG = /^"(\d+)"$/;
const MAX_SHOWN = 200;

/** Problem details (RFC 9457), as far as they are shown. */
interface Problem {
  readonly detail?: string;
  readonly code?: string;
  readonly request_id?: string;
  readonly errors?: readonly { readonly path: string; readonly detail: string }[];
}

/** @param server URL of the issuer @throws UsageError */
function readServer(server: string): string {
  const url = URL.canParse(server) ? new URL(server) : undefined;
  if (!url || !/^https?:$/.test(url.protocol)) throw new UsageError(`--server ${quote(server)} is not a URL`);
  if (url.protocol === 'http:' && !isLoopback(url.hostname)) {
    throw new UsageError(
      `--server ${quote(server)} would send the token in the clear. Use https, or http to this machine`,
    );
  }
  return url.origin + url.pathname.replace(/(?<!\/)\/+$/, '');
}

/** @throws UsageError */
function readTokenOf({ env }: Pick<CommandIo, 'env'>): string {
  const token = env[TOKEN_VARIABLE]?.trim();
  if (token) return token;
  throw new UsageError(`--server needs an access token for the administration API in ${TOKEN_VARIABLE}`);
}

/** @throws CommandFailed for an argument that a path cannot have */
function writeRequest(
  operation: Operation,
  { parameters, ...given }: OperationRequest,
  accept?: string,
): Request {
  try {
    return toRequest(operation.id, operation, { ...given, ...parameters, ...defined({ accept }) }, {});
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new CommandFailed(error.message, { cause: error });
  }
}

/** Sentences for the operator. */
function describeProblem(status: number, text: string): string {
  const problem = parse(text) as Problem | undefined;
  const { detail, code, errors, request_id: requestId } = problem ?? {};
  const said = detail ?? `The server answered with status ${status}: ${cut(text.trim(), MAX_SHOWN)}`;
  if (code === 'insufficient_user_authentication') {
    return `${said}\nLog in again, and put the new access token into ${TOKEN_VARIABLE}.`;
  }
  if (status === 401) return `${said}\nThe access token comes from ${TOKEN_VARIABLE}.`;
  if (errors && errors.length > 0) return describeFields(errors);
  return requestId === undefined ? said : `${said} Request: ${requestId}.`;
}

/** @throws UsageError when the URL or the token will not do */
export function administerServer(server: string, io: Pick<CommandIo, 'env'>): Administration {
  const base = readServer(server) + API;
  const token = readTokenOf(io);

  async function fetchOnce(url: string, init: RequestInit): Promise<Response> {
    try {
      return await fetch(url, init);
    } catch (error) {
      const { cause = error } = error as Error;
      const { code, message } = cause as NodeJS.ErrnoException;
      throw new CommandFailed(`The server at ${server} does not answer: ${code ?? message}.`, {
        cause: error,
      });
    }
  }

  /** @throws CommandFailed */
  async function ask(id: string, request: OperationRequest = {}, accept?: string): Promise<Response> {
    const operation = requireOperation(id);
    const { path, method, headers, body } = writeRequest(operation, request, accept);
    const url = base + path;
    const init = {
      method,
      headers: { ...headers, authorization: `Bearer ${token}` },
      // The token goes to the server that the operator named, and not to where that one points.
      redirect: 'manual',
      ...defined({ body }),
    } as const;
    const response = await fetchOnce(url, init).catch((error) => {
      // The key makes it the same creation, if the answer of the first attempt was lost.
      if (operation.creates) return fetchOnce(url, init);
      throw error;
    });
    if (response.ok) return response;
    throw new CommandFailed(describeProblem(response.status, await response.text()));
  }

  return {
    async call(id, request) {
      const response = await ask(id, request);
      const text = await response.text();
      const [, version] = TAG.exec(response.headers.get('etag') ?? '') ?? [];
      return {
        body: text === '' ? undefined : parse(text),
        ...defined({ version: version === undefined ? undefined : Number(version) }),
      };
    },
    async *lines(id, media, request) {
      const { body } = await ask(id, request, media);
      if (body) yield* body.pipeThrough(new TextDecoderStream());
    },
    async [Symbol.asyncDispose]() {},
  };
}
