// What ESLint holds of the scripts that the browser runs; types are TypeScript's (tsconfig.json).
import js from "@eslint/js"
import globals from "globals"

// what turns text into markup or code: names come from files
const MARKUP = ["innerHTML", "outerHTML", "insertAdjacentHTML", "srcdoc", "setHTML", "setHTMLUnsafe",
  "createContextualFragment", "parseHTMLUnsafe"]
const message = "Text is set as text: textContent, or element()."

export default [
  js.configs.recommended,
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: globals.browser },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "array-callback-return": "error",
      "consistent-return": "error",
      "default-case-last": "error",
      "eqeqeq": "error",
      "max-lines": ["error", 300],
      "max-lines-per-function": ["error", 60],
      "no-duplicate-imports": "error",
      "no-eval": "error",
      "no-implicit-coercion": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-restricted-globals": ["error", "event", "name", "DOMParser"],
      "no-restricted-properties": ["error", ...MARKUP.map((property) => ({ property, message })),
        { object: "document", property: "write", message }],
      "no-script-url": "error",
      "no-self-compare": "error",
      "no-shadow": "error",
      "no-throw-literal": "error",
      "no-unused-vars": ["error", { args: "all", argsIgnorePattern: "^_" }],
      "no-use-before-define": ["error", { functions: false, variables: false }],
      "no-useless-return": "error",
      "no-var": "error",
      "object-shorthand": "error",
      "prefer-const": "error",
    },
  },
]
