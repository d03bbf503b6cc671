# scripts: what is built here
