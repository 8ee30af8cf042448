/**
 * Completions of arguments tell what there is, so they take the rights of the prompt or the resource that they are for. The
 * SDK asks for these rights at a read only, and does not say to a completion whose request it is.
 */
import type { McpServer, ScopeChallengeHandler } from '@modelcontextprotocol/server';

interface Template {
  readonly resourceTemplate: { readonly uriTemplate: object };
  readonly scopeChallenge?: ScopeChallengeHandler;
}

const guarded = new WeakSet<McpServer>();

export function guardCompletions(server: McpServer): void {
  if (guarded.has(server)) return;
  guarded.add(server);
  const resolve = server.resolveScopeChallenge;
  server.resolveScopeChallenge = (context) => {
    const { request } = context;
    if (request.method !== 'completion/complete') return resolve(context);
    const { type, name, uri } = (request.params?.ref ?? {}) as Record<string, unknown>;
    if (type === 'ref/prompt')
      return resolve({ ...context, request: { ...request, method: 'prompts/get', params: { name } } });
    // The SDK has no other way to find one by its template.
    const templates: readonly Template[] = Object.values(server['_registeredResourceTemplates'] as object);
    const named = templates.find(({ resourceTemplate }) => String(resourceTemplate.uriTemplate) === uri);
    return named?.scopeChallenge?.(context);
  };
}
