/**
 * The AuthZEN Authorization API 1.0: `POST /access/v1/evaluation` and `/access/v1/evaluations`, in JSON. A resource server
 * asks whether a token allows an access to a table. It authenticates as at introspection; what a form would say for that
 * stands beside the other members of the body.
 */
import type { Context } from 'koa';
import { CREDENTIAL_PARAMETERS, readCredentials } from '../clients/credentials.ts';
import type { Form } from '../clients/form.ts';
import { MalformedRequest } from '../errors/domain.ts';
import { MAX_FORM_BYTES, readBody } from '../http/body.ts';
import { type JsonObject, readMember } from '../permissions/json.ts';
import { createDecide, NOT_ACTIVE, refuse, type TableDecision } from '../tokens/table-decisions.ts';
import type { FindTokenRights, TokenRights } from '../tokens/token-rights.ts';
import { readEvaluations, readQuestion, readStopAt } from './authzen-questions.ts';
import { parseObjectBody, requireJsonType } from './json-body.ts';
import { type ClientRequest, type Requests, requireServing } from './requests.ts';

const MAX_BODY_BYTES = 256 * 1024;
/** Node would write other characters in another encoding than it reads them. */
const ASCII = /^[ -~]+$/;

type Answer = (body: JsonObject, decide: (evaluation: unknown) => Promise<TableDecision>) => Promise<unknown>;

function credentialsIn(body: JsonObject): Form {
  return Object.fromEntries(CREDENTIAL_PARAMETERS.map((name) => [name, readMember(body, name)]));
}

/** Parsing is what takes time, so a client that has a header is authenticated first, and one that has none sends less. */
async function receive(
  ctx: Context,
  requests: Requests,
): Promise<{ readonly body: JsonObject; readonly request: ClientRequest }> {
  requireJsonType(ctx);
  const authorization = ctx.get('Authorization');
  const { state } = ctx;
  const authenticate = (form: Form): Promise<ClientRequest> =>
    requests.authenticate({ authorization, form, state }, { servesPublic: false });
  if (authorization === '') {
    const body = parseObjectBody(await readBody(ctx, MAX_FORM_BYTES));
    return { body, request: await authenticate(credentialsIn(body)) };
  }
  const text = await readBody(ctx, MAX_BODY_BYTES);
  const request = await authenticate({});
  const body = parseObjectBody(text);
  // Refuses two ways at once.
  readCredentials(authorization, credentialsIn(body));
  return { body, request };
}

/** The caller finds the answer by its own id; the log has ours, which callers cannot choose. */
function repeatRequestId(ctx: Context): void {
  const id = ctx.get('X-Request-Id');
  if (ASCII.test(id)) ctx.set('X-Request-Id', id);
}

/** Decisions for one request: each token is looked up once. */
function createDecisions(
  findTokenRights: FindTokenRights,
  { client: { application }, view }: ClientRequest,
  defaults: JsonObject,
  remark: (note: string) => void,
): (evaluation: unknown) => Promise<TableDecision> {
  const found = new Map<string, Promise<TokenRights | undefined>>();
  const decide = createDecide();

  function find(token: string, resource: string | undefined): Promise<TokenRights | undefined> {
    if (resource === undefined && application.introspects.length > 1) {
      throw new MalformedRequest({
        description:
          'The application introspects several resources. Say in resource.properties.resource which one has the table.',
      });
    }
    const key = JSON.stringify([token, resource]);
    const rights = found.get(key) ?? findTokenRights(token, resource, { client: application, view, remark });
    found.set(key, rights);
    return rights;
  }

  return async (evaluation) => {
    const question = readQuestion(evaluation, defaults);
    if ('problem' in question) return refuse(question.problem);
    const rights = await find(question.token, question.resource);
    return rights ? decide(rights, question.table, question.access) : NOT_ACTIVE;
  };
}

const evaluateOne: Answer = (body, decide) => decide(body);

/** A wrong evaluation is a decision, so that the others are answered too. */
async function decideOrRefuse(decide: () => Promise<TableDecision>): Promise<TableDecision> {
  try {
    return await decide();
  } catch (error) {
    if (error instanceof MalformedRequest) return refuse(error.told);
    throw error;
  }
}

const evaluateAll: Answer = async (body, decide) => {
  const stopAt = readStopAt(body);
  const evaluations = readEvaluations(body);
  if (!evaluations) return evaluateOne(body, decide);
  const decisions: TableDecision[] = [];
  for (const evaluation of evaluations) {
    const made = await decideOrRefuse(() => decide(evaluation));
    decisions.push(made);
    if (made.decision === stopAt) break;
  }
  return { evaluations: decisions };
};

export function createAuthzenEndpoints({
  requests,
  findTokenRights,
}: {
  readonly requests: Requests;
  readonly findTokenRights: FindTokenRights;
}) {
  const answering =
    (answer: Answer) =>
    async (ctx: Context): Promise<void> => {
      repeatRequestId(ctx);
      const { body, request } = await receive(ctx, requests);
      requireServing(request.client.application);
      const remark = (note: string): void => {
        ctx.state.note = note;
      };
      ctx.body = await answer(body, createDecisions(findTokenRights, request, body, remark));
    };
  return { evaluation: answering(evaluateOne), evaluations: answering(evaluateAll) };
}
