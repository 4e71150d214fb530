// SPDX-License-Identifier: Apache-2.0
declare module '*.json.esm.js' {
  const data: never;
  export default data;
}
