import { createRequire } from "node:module";
import type { AjvCompiler, BuildCompilerFromPool } from "@fastify/ajv-compiler";

type Compile = ReturnType<BuildCompilerFromPool>;
type Validator = ReturnType<Compile>;

const require = createRequire(import.meta.url);

/**
 * Fastify's own validator of requests, loaded and compiled when the first one comes that has a schema: it would be a
 * fifth of what a daemon does before it is ready.
 */
export const lazyValidator: BuildCompilerFromPool = (schemas, options) => {
  let compile: Compile | null = null;
  return (...route) => {
    let validator: Validator | null = null;
    const validate = (data: unknown): unknown => {
      compile ??= (require("@fastify/ajv-compiler") as typeof AjvCompiler)()(schemas, options);
      validator ??= compile(...route);
      const result: unknown = validator(data);
      validate.errors = validator.errors;
      return result;
    };
    validate.errors = undefined as Validator["errors"];
    return validate as Validator;
  };
};
