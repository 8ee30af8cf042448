/** Routes of a router that are private unless one of their rules is `access.public()`. */
import { Rule } from './rules.ts';

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete', 'all'] as const;

/** The methods of a router, each taking rules beside handlers. */
export type ProtectedRoutes<Handler> = {
  readonly [M in (typeof METHODS)[number]]: (path: string, ...rulesAndHandlers: (Rule | Handler)[]) => void;
};

/** @param guard makes the handler that comes before those of a route */
export function protectRoutes<Handler>(
  router: object,
  guard: (...rules: Rule[]) => Handler,
): ProtectedRoutes<Handler> {
  const registrars = router as Record<string, (path: string, ...handlers: Handler[]) => unknown>;
  const register =
    (method: string) =>
    (path: string, ...given: (Rule | Handler)[]): void => {
      const rules = given.filter((each) => each instanceof Rule);
      const handlers = given.filter((each): each is Handler => !(each instanceof Rule));
      registrars[method]?.(path, guard(...rules), ...handlers);
    };
  return Object.fromEntries(METHODS.map((method) => [method, register(method)])) as ProtectedRoutes<Handler>;
}
