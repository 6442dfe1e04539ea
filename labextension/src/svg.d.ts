// JupyterLab's builder turns an imported .svg into its text.
declare module '*.svg' {
  const text: string;
  export default text;
}
