import * as z from "zod";
import { allowedBy } from "./keys.ts";
import { fileSchema } from "./schema.ts";

/** The configuration file as JSON Schema, for editors. Rules that need more than one key are not in it. */
export function configJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(fileSchema, {
    io: "input",
    target: "draft-7", // what editors' TOML plug-ins understand
    override: ({ jsonSchema, zodSchema }) => {
      delete jsonSchema["allowed"];
      const { description } = jsonSchema;
      if (description !== undefined) {
        jsonSchema.description = `${description}. Allowed: ${allowedBy(zodSchema)}.`;
      }
    },
  });
}

/** The content of `schema/eql.schema.json`; `npm run schema` writes it. */
export const configJsonSchemaText = (): string => `${JSON.stringify(configJsonSchema(), null, 2)}\n`;
