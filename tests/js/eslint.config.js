import js from "@eslint/js";
import globals from "globals";

export default [
  js.configs.recommended,
  { ignores: ["**/vendor/**", "**/node_modules/**"] },
  {
    files: ["**/*.js"],
    languageOptions: { ecmaVersion: 2024, sourceType: "module", globals: { ...globals.browser, Plotly: "readonly" } },
    rules: {
      eqeqeq: ["error", "always", { null: "ignore" }],
      "max-len": ["error", { code: 120, ignoreStrings: true, ignoreTemplateLiterals: true }],
      // one class, one job: what grows beyond this is split
      "max-lines": ["error", { max: 520, skipBlankLines: true, skipComments: true }],
      "max-classes-per-file": ["error", 2],
      "no-eval": "error",
      "no-implied-eval": "error",
      "no-new-func": "error",
      "no-var": "error",
      "prefer-const": ["error", { destructuring: "all" }],
      "no-unused-vars": ["error", { ignoreRestSiblings: true }],
      // markup never comes from text that the browser put together
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: "Build nodes with h() of lib/dom.js." },
        { property: "outerHTML", message: "Build nodes with h() of lib/dom.js." },
        { property: "insertAdjacentHTML", message: "Build nodes with h() of lib/dom.js." },
      ],
    },
  },
  { files: ["**/*.test.js"], languageOptions: { globals: globals.node } },
];
