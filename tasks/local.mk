# tasks: what is built here
